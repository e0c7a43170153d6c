"""The largest changes, where most agree in their sign (Yadav et al. 2023, TIES-Merging).

peft has the same rule as ``peft.utils.merge_utils.ties``, which gives the same numbers if it is
handed one flattened vector of each model. It is these few lines, and peft would be a dependency of
its own for them alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.merging.task_vectors import flattened, with_vector
from tlbench.plan.merge_rule import MergedModel, MergeRule, Weights, number

if TYPE_CHECKING:
    from torch import Tensor


class Ties(MergeRule):
    """Trims each task vector, elects a sign for each weight, and averages those that agree.

    Args:
        density: the part of each model's weights that keep their change, the largest ones.
        scale: of what is added to the pretrained weights.
    """

    choices: ClassVar = {
        "density": (0.1, 0.2, 0.5, 1.0),
        "scale": tuple(step / 10 for step in range(1, 11)),
    }

    def __init__(self, density: Any, scale: Any) -> None:
        self.density = number("density", density, 1e-6, 1)
        self.scale = number("scale", scale, 0, 10)

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        import torch

        trimmed = torch.stack([trim(flattened(one, start), self.density) for one in models])
        return with_vector(start, self.scale * disjoint_mean(trimmed, elected_signs(trimmed)))


def trim(vector: "Tensor", density: float) -> "Tensor":
    """Return a vector with zeros for all but a part of its largest entries, (weights,)."""
    kept = max(1, int(density * vector.numel()))
    sizes = vector.abs()
    threshold = sizes.kthvalue(vector.numel() - kept + 1).values
    return vector.where(sizes >= threshold, 0)


def elected_signs(trimmed: "Tensor") -> "Tensor":
    """Return for each weight the sign of the models' sum, (weights,); of 0 the majority's sign.

    Args:
        trimmed: (models, weights).
    """
    signs = trimmed.sum(dim=0).sign()
    return signs.where(signs != 0, signs.sum().sign())


def disjoint_mean(trimmed: "Tensor", signs: "Tensor") -> "Tensor":
    """Return the mean of each weight's entries that are not 0 and agree with its sign, (weights,).

    Args:
        trimmed: (models, weights).
        signs: (weights,).
    """
    agreeing = (trimmed.sign() == signs) & (trimmed != 0)
    return trimmed.where(agreeing, 0).double().sum(dim=0) / agreeing.sum(dim=0).clamp(min=1)
