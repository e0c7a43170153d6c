"""Sharpness-aware minimisation: the gradient is that where the loss near the weights is highest."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tlbench.data.batch import Batch
from tlbench.training.gradients import Gradient, Losses

if TYPE_CHECKING:
    from tlbench.training.module import MultiTaskModule

_TINY = 1e-12


class SAM:
    """The gradient at w + rho g / |g|, where g is the one at w (Foret et al. 2021).

    Args:
        gradient: what is made flatter: that of a batch, or of one task's rows.
        rho: how far to look.
    """

    def __init__(self, module: "MultiTaskModule", gradient: Gradient, rho: float) -> None:
        self.module = module
        self.gradient = gradient
        self.rho = rho

    def __call__(self, batch: Batch) -> Losses:
        """Return the losses at w."""
        parameters = [one for one in self.module.parameters() if one.requires_grad]
        earlier = [one.grad for one in parameters]  # of other tasks' heads
        _clear(parameters)
        losses = self.gradient(batch)
        weights = self._climb(parameters)
        _clear(parameters)
        self.gradient(batch)
        with torch.no_grad():
            for parameter, weight, grad in zip(parameters, weights, earlier, strict=True):
                parameter.copy_(weight)  # w + e - e would not be w
                if grad is not None:
                    parameter.grad = grad if parameter.grad is None else parameter.grad + grad
        return losses

    @torch.no_grad()
    def _climb(self, parameters: Sequence[torch.nn.Parameter]) -> list[Tensor]:
        """Move the weights up the gradient, and return what they were."""
        weights = [parameter.detach().clone() for parameter in parameters]
        grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
        length = torch.nn.utils.get_total_norm(grads)
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.add_(parameter.grad * (self.rho / (length + _TINY)))
        return weights


def _clear(parameters: Sequence[torch.nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None
