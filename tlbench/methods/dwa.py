"""Dynamic weight average: a task counts more the slower its loss falls."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tlbench.methods.weighting import LossWeighting

if TYPE_CHECKING:
    from torch import Tensor


class DWA(LossWeighting):
    """Weights by the ratio of a task's last two mean losses (Liu et al. 2019, equation 7).

    They are K softmax(ratio / T) for K tasks; 1 until each task has two mean losses.

    Args:
        temperature: T; the larger, the more equal the weights.
        window: steps that a mean is over; None: those of an epoch.
    """

    def __init__(
        self, tasks: Sequence[str], temperature: float = 2.0, window: int | None = None
    ) -> None:
        if not temperature > 0 or (window is not None and not window > 0):
            raise ValueError("temperature and window have to be above 0")
        super().__init__(tasks)
        self.temperature = temperature
        self.window = window
        self.means: list[Tensor] = []  # the last two, each (tasks,)
        self.sums: list[Tensor] = []  # of losses and of steps with the task since, each (tasks,)
        self.steps = 0

    def weights(self, seed: int, step: int) -> "Tensor":
        import torch

        if len(self.means) < 2:
            return torch.ones(len(self.tasks))
        before, last = self.means
        return len(self.tasks) * torch.softmax(last / before / self.temperature, dim=0)

    def after_step(self, losses: "Tensor", present: "Tensor") -> None:
        added = [losses, present.to(losses)]
        pairs = zip(self.sums, added, strict=True)
        self.sums = [total + new for total, new in pairs] if self.sums else added
        self.steps += 1
        if self.steps == self.window:
            self._end()

    def after_epoch(self) -> None:
        if self.window is None:
            self._end()

    def _end(self) -> None:
        """Begin another mean; one in which a task had no row is left out."""
        losses, counts = self.sums
        if bool((counts > 0).all()):
            self.means = [*self.means[-1:], losses / counts]
        self.sums, self.steps = [], 0

    def state_dict(self) -> dict[str, Any]:
        return {"means": self.means, "sums": self.sums, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.means, self.sums, self.steps = state["means"], state["sums"], state["steps"]
