"""Each task's change by its share of all squared changes (Zhou et al. 2024, MetaGPT, equation 16).

Where task vectors are orthogonal these scales minimise the sum over tasks of how far the merge is
from the task's model, weighted by the squared norm of its task vector: no data is needed.
"""

from collections.abc import Sequence

from tlbench.merging.task_vectors import moved, squared_norm
from tlbench.plan.merge_rule import MergedModel, MergeRule, Weights


class MetaGPT(MergeRule):
    """Task arithmetic with a scale for each model: its squared norm over the sum of all."""

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        return moved(start, models, scales([squared_norm(model, start) for model in models]))


def scales(squared_norms: Sequence[float]) -> list[float]:
    """Return each model's scale; they add up to 1, unless no model has moved at all."""
    total = sum(squared_norms)
    return [norm / total if total else 0.0 for norm in squared_norms]
