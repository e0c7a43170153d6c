"""The mean loss of every task over the steps between two that are logged."""

import math
from collections.abc import Sequence

import torch
from pytorch_lightning.strategies import Strategy
from torch import Tensor


class TaskLosses:
    """Sums of the losses of rows, kept on their device, so that no step waits for it.

    Args:
        tasks: how many there are.
    """

    def __init__(self, tasks: int) -> None:
        self._counts = [0] * tasks
        self._sums: Tensor | None = None  # (tasks,), on the device of the losses

    def add(self, losses: Sequence[Tensor]) -> None:
        """Take in the losses of the rows of every task, each (rows,)."""
        sums = torch.stack([of_task.detach().float().sum() for of_task in losses])
        self._sums = sums if self._sums is None else self._sums + sums
        self._counts = [n + len(of_task) for n, of_task in zip(self._counts, losses, strict=True)]

    def take(self, strategy: Strategy) -> list[float]:
        """Return the mean of every task over the rows of all ranks, and begin anew.

        NaN for a task that had no row.

        Args:
            strategy: Lightning's, which knows the ranks; all of them have to call this.
        """
        assert self._sums is not None
        counts = torch.tensor(self._counts).to(self._sums)
        totals = strategy.reduce(torch.stack([self._sums, counts], dim=1), reduce_op="sum")
        assert isinstance(totals, Tensor)
        self._sums, self._counts = None, [0] * len(self._counts)
        return [loss / rows if rows else math.nan for loss, rows in totals.tolist()]
