"""The mean of the encoders (Wortsman et al. 2022, Model soups, "uniform soup")."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlbench.plan.merge_rule import MergedModel, MergeRule, Weights

if TYPE_CHECKING:
    from torch import Tensor


class Average(MergeRule):
    """Every weight is the mean of the models'.

    Of models that are the same it is that one bit for bit, as their sum is exact in float64.
    """

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        return {
            name: mean([model.weights[name] for model in models]).to(initial.dtype)
            for name, initial in start.items()
        }


def mean(weights: "Sequence[Tensor]") -> "Tensor":
    """Return the mean of the models' tensors of one name, in float64."""
    total = weights[0].double()
    for other in weights[1:]:
        total = total + other
    return total / len(weights)
