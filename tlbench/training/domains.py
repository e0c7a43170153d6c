"""How well the discriminator of domain-adversarial training tells tasks apart, by epoch."""

import math
from typing import Any

import torch
from torch import Tensor


class DomainAccuracy:
    """Sums of its rows and of those that it told right, over the steps of an epoch.

    Args:
        tasks: how many there are.
    """

    def __init__(self, tasks: int) -> None:
        self._counts = torch.zeros(tasks, 2)  # on the discriminator's device: no step waits for it
        self._epochs: list[float] = []

    def step(self, counts: Tensor) -> None:
        """Take in a step's rows, and those told right, of each task on all ranks, (tasks, 2)."""
        self._counts = self._counts.to(counts) + counts

    def end_epoch(self) -> float:
        """Return the accuracy since the epoch before, and keep it."""
        self._epochs = [*self._epochs, self._accuracy()]
        self._counts = torch.zeros_like(self._counts)
        return self._epochs[-1]

    @property
    def epochs(self) -> list[float]:
        """Those of every epoch, also of one that was cut short."""
        last = self._accuracy()
        return self._epochs if math.isnan(last) else [*self._epochs, last]

    def _accuracy(self) -> float:
        """Return the mean over tasks of the part of their rows that is told right; NaN of none.

        By task, so that 1 / tasks is chance however many rows each has.
        """
        rows, right = self._counts[self._counts[:, 0] > 0].unbind(dim=1)
        return float((right / rows).mean())

    def state_dict(self) -> dict[str, Any]:
        return {"counts": self._counts.cpu(), "epochs": self._epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._counts, self._epochs = state["counts"], state["epochs"]
