"""The pretrained weights and a part of all changes (Ilharco et al. 2023, ICLR, equation 1)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from tlbench.merging.task_vectors import moved
from tlbench.plan.merge_rule import MergedModel, MergeRule, Weights, number


class TaskArithmetic(MergeRule):
    """Adds to the pretrained weights the sum of the models' changes, times a scale.

    Of N models, 1/N gives their mean.

    Args:
        scale: 0.3 is where the paper's sums of many tasks do well.
    """

    choices: ClassVar = {"scale": tuple(step / 10 for step in range(1, 11))}

    def __init__(self, scale: Any) -> None:
        self.scale = number("scale", scale, 0, 10)

    def merge(self, models: Sequence[MergedModel], start: Weights) -> Weights:
        return moved(start, models, [self.scale] * len(models))
