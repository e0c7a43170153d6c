"""A merge rule: one encoder of several that began with the same weights."""

from tlbench.plan.merge_rule import MergeRule


class Slerp(MergeRule):
    """Goes a part of the way from the target's weights to the other's, each tensor on the arc."""

    choices = {"part": (0.25, 0.5, 0.75)}

    def __init__(self, part):
        self.part = part

    def merge(self, models, start):
        target, other = (model.weights for model in models)
        return {name: self.between(target[name], other[name]) for name in start}

    def between(self, one, other):
        cosine = (one * other).sum() / (one.norm() * other.norm()).clamp(min=1e-12)
        angle = cosine.clamp(-1, 1).acos()
        if angle.sin() < 1e-6:  # on one line
            return one + self.part * (other - one)
        ends = ((1 - self.part) * angle).sin() * one + (self.part * angle).sin() * other
        return ends / angle.sin()
