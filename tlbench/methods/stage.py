"""The method of a stage: that of the config where it mixes tasks."""

from collections.abc import Sequence
from typing import Any

from tlbench.config.schema import Config
from tlbench.methods.base import Method, make_method
from tlbench.methods.gradients import GradientMethod
from tlbench.methods.mean import Mean


def method_of(config: dict[str, Any], tasks: Sequence[str]) -> Method:
    """Make the method of a stage; a task alone has the mean of its losses, whatever the config.

    Args:
        config: the config group ``method``.
        tasks: of the stage.
    """
    return make_method(config, tasks) if len(tasks) > 1 else Mean(tasks)


def is_by_task(config: Config, tasks: Sequence[str]) -> bool:
    """Whether a step of a stage makes the gradient of each of its tasks by itself."""
    by_method = isinstance(method_of(config.method, tasks), GradientMethod)
    by_perturbation = config.perturb.name == "sam" and config.perturb.per_task
    return len(tasks) > 1 and (by_method or by_perturbation)
