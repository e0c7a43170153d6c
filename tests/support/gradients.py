"""Gradients whose weighted sums are known, and a Gramian of them."""

import torch
from torch import Tensor

# Rows are tasks. The first two conflict; in the second set each pair of rows lies differently.
TWO = torch.tensor([[-4.0, 1, 1], [6, 1, 1]], dtype=torch.float64)
THREE = torch.tensor([[1, 0, 0.5], [-0.5, 2, 0], [0.3, -1, 1]], dtype=torch.float64)
OPPOSITE = torch.tensor([[1.0, 0], [-1, 0]], dtype=torch.float64)
DEPENDENT = torch.tensor([[1.0, 0], [2, 0], [0, 1]], dtype=torch.float64)


def direction(rule: object, gradients: Tensor) -> Tensor:
    """Return the weighted sum of gradients, (parameters,), as a rule weighs them."""
    assert callable(rule)
    weights: Tensor = rule(gradients @ gradients.T)
    assert weights.shape == (len(gradients),)
    return weights.to(gradients) @ gradients


def drawn(seed: int, tasks: int, parameters: int, magnitudes: float) -> Tensor:
    """Return random gradients, (tasks, parameters), of lengths that differ by powers of ten."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(tasks, parameters, generator=generator, dtype=torch.float64)
    powers = torch.rand(tasks, 1, generator=generator, dtype=torch.float64) * 2 - 1
    return directions * 10 ** (magnitudes * powers)
