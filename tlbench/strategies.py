"""The strategies: pure functions from an experiment to its final stage.

A new one is a function here (or anywhere importable) and a YAML file in ``conf/strategy``.
"""

from typing import TYPE_CHECKING

from tlbench.stage import Stage

if TYPE_CHECKING:
    from tlbench.experiment import Experiment


def single(experiment: "Experiment") -> Stage:
    """Fine-tune on the target task alone."""
    return experiment.stage([experiment.target])


def stilts(experiment: "Experiment") -> Stage:
    """Fine-tune on the support task, then on the target task (Phang et al. 2018)."""
    (support,) = experiment.supports
    return experiment.stage([experiment.target], start=experiment.stage([support]))


def mtl(experiment: "Experiment") -> Stage:
    """Train on target and support together; the pair is unordered, so one stage serves both."""
    return experiment.stage([experiment.target, *experiment.supports])


def mtl_all(experiment: "Experiment") -> Stage:
    """Train on all of ``strategy.tasks`` and the target together; one stage for all targets."""
    return experiment.stage([experiment.target, *experiment.supports])
