"""Task vectors: how far and where a task has moved the pretrained weights."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlbench.plan.merge_rule import MergedModel, Weights

if TYPE_CHECKING:
    from torch import Tensor


def moved(start: Weights, models: Sequence[MergedModel], scales: Sequence[float]) -> Weights:
    """Return the pretrained weights plus each model's task vector times its scale.

    In float64, in which the difference of two float32 weights near each other is exact.
    """
    scaled = list(zip(scales, models, strict=True))
    return {
        name: (
            initial.double()
            + sum(scale * (model.weights[name].double() - initial) for scale, model in scaled)
        ).to(initial.dtype)
        for name, initial in start.items()
    }


def squared_norm(model: MergedModel, start: Weights) -> float:
    """Return the squared norm of a model's whole task vector."""
    return sum(
        float((model.weights[name].double() - initial).square().sum())
        for name, initial in start.items()
    )


def flattened(model: MergedModel, start: Weights) -> "Tensor":
    """Return a model's task vector as one vector of all weights, in the order of ``start``."""
    import torch

    return torch.cat([(model.weights[name] - initial).ravel() for name, initial in start.items()])


def with_vector(start: Weights, vector: "Tensor") -> Weights:
    """Return the pretrained weights plus one vector of all weights, in the order of ``start``."""
    sizes = [initial.numel() for initial in start.values()]
    parts = vector.split(sizes)  # type: ignore[no-untyped-call]
    return {
        name: (initial.double() + part.view_as(initial)).to(initial.dtype)
        for (name, initial), part in zip(start.items(), parts, strict=True)
    }
