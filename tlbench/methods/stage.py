"""The method of a stage: that of the config where it mixes tasks."""

from collections.abc import Sequence
from typing import Any

from tlbench.methods.base import Method, make_method
from tlbench.methods.mean import Mean


def method_of(config: dict[str, Any], tasks: Sequence[str]) -> Method:
    """Make the method of a stage; a task alone has the mean of its losses, whatever the config.

    Args:
        config: the config group ``method``.
        tasks: of the stage.
    """
    return make_method(config, tasks) if len(tasks) > 1 else Mean(tasks)
