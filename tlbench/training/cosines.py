"""How the tasks' gradients lie to each other: the mean cosine of each pair in every epoch."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
from torch import Tensor


class TaskCosines:
    """Sums of the cosines between tasks' gradients of the encoder, as they come with every step.

    Args:
        tasks: their names.

    Attributes:
        latest: of the latest gradient the inner products, (tasks, tasks) of those in the batch, the
            places of these tasks, and what each gradient counted.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        self.tasks = tuple(tasks)
        self.latest: tuple[Tensor, tuple[int, ...], list[float]] | None = None
        self._epochs: list[dict[str, float]] = []
        self._sums = torch.zeros(2, len(tasks), len(tasks), dtype=torch.float64)

    def step(self) -> None:
        """Count the latest gradient in."""
        if self.latest is None:
            return
        products, places, _ = self.latest
        lengths = products.diagonal().sqrt()
        cosines = products / torch.outer(lengths, lengths)
        rows = torch.tensor(places)
        at = rows[:, None], rows[None, :]
        counted = cosines.isfinite()
        self._sums[0][at] += cosines.where(counted, 0.0)
        self._sums[1][at] += counted

    def weights(self) -> dict[str, float]:
        """Return what each task's latest gradient counted, ``rte/weight``, for those in it."""
        if self.latest is None:
            return {}
        _, places, weights = self.latest
        pairs = zip(places, weights, strict=True)
        return {f"{self.tasks[place]}/weight": weight for place, weight in pairs}

    def end_epoch(self) -> dict[str, float]:
        """Return the mean cosine of every pair since the epoch before, and keep it."""
        means = self._means()
        self._epochs = [*self._epochs, means]
        self._sums = torch.zeros_like(self._sums)
        return means

    @property
    def epochs(self) -> list[dict[str, float]]:
        """The means of every epoch, also of one that was cut short; see ``end_epoch``."""
        means = self._means()
        return [*self._epochs, means] if means else self._epochs

    def _means(self) -> dict[str, float]:
        """Return the mean cosine by pair, ``mnli+rte``, of those that were in a batch together."""
        sums, counts = self._sums
        return {
            f"{self.tasks[one]}+{self.tasks[other]}": float(sums[one, other] / counts[one, other])
            for one, other in combinations(range(len(self.tasks)), 2)
            if counts[one, other]
        }

    def state_dict(self) -> dict[str, Any]:
        return {"sums": self._sums, "epochs": self._epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._epochs = state["sums"], state["epochs"]
