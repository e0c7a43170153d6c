"""The strategies: pure functions from an experiment to its final stage.

A new one is a function here (or anywhere importable) and a YAML file in ``conf/strategy``.
"""

from typing import TYPE_CHECKING

from tlbench.plan.stage import Stage

if TYPE_CHECKING:
    from tlbench.plan.experiment import Experiment


def single(experiment: "Experiment") -> Stage:
    """Fine-tune on the target task alone."""
    return experiment.stage([experiment.target])


def stilts(experiment: "Experiment") -> Stage:
    """Fine-tune on the support task, then on the target task (Phang et al. 2018)."""
    (support,) = experiment.supports
    return experiment.stage([experiment.target], start=experiment.stage([support]))


def mtl(experiment: "Experiment") -> Stage:
    """Train on the target and its support, or all of ``strategy.tasks``, together.

    The tasks are unordered, so a pair is one stage for both directions, and all tasks together
    are one for all targets.
    """
    return experiment.stage([experiment.target, *experiment.supports])
