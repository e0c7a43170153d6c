"""Weights that are learned: by the uncertainty of each task."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tlbench.methods.weighting import LossWeighting

if TYPE_CHECKING:
    from torch import Tensor


class Uncertainty(LossWeighting):
    """The loss is the sum of exp(-s) L / 2 + s / 2 over tasks (Kendall et al. 2018, equation 7).

    A task's s, the logarithm of its variance, is learned beside the model, by Adam at a rate of its
    own, without warm-up and decay: at a rate for fine-tuning it would stay where it is.

    Args:
        lr: the rate of s.
        start: of every s.
    """

    def __init__(self, tasks: Sequence[str], lr: float = 0.01, start: float = 0.0) -> None:
        import torch

        super().__init__(tasks)
        self.log_variances = torch.full((len(self.tasks),), float(start))
        self.optimizer = torch.optim.Adam([self.log_variances], lr=lr)

    def weights(self, seed: int, step: int) -> "Tensor":
        return (-self.log_variances).exp() / 2

    def after_step(self, losses: "Tensor", present: "Tensor") -> None:
        s = self.log_variances
        slope = (1 - (-s).exp() * losses.to(s)) / 2
        s.grad = slope * present.to(s)
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {"log_variances": self.log_variances, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.log_variances.copy_(state["log_variances"])
        self.optimizer.load_state_dict(state["optimizer"])
