"""Metrics of the group of rows that is worst: ``worst_group_accuracy`` and the like.

Any metric of a task's kind has one, where the task has ``groups`` (Sagawa et al. 2020,
Distributionally robust neural networks for group shifts).
"""

import math
from collections.abc import Collection, Iterable, Mapping

from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.base import Metric

WORST = "worst_group_"  # what such names begin with, the metric's behind


def base_of(name: str) -> str:
    """Return the metric that one is the worst of, or that it is itself."""
    return name.removeprefix(WORST)


def bases(names: str) -> list[str]:
    """Return the metrics of rows that are behind those named ``a+b``."""
    return [base_of(name) for name in names.split("+")]


def is_worst(name: str) -> bool:
    """Whether a metric is of the worst group."""
    return name.startswith(WORST)


def needs_groups(names: str) -> bool:
    """Whether one of the metrics named ``a+b`` is of the worst group."""
    return any(map(is_worst, names.split("+")))


def with_worst(
    names: Collection[str],
    whole: Mapping[str, float],
    by_group: Mapping[str, Mapping[str, float]],
    metrics: Mapping[str, Metric],
) -> dict[str, float]:
    """Return metrics by name, each of all rows or of the worst group.

    Args:
        names: of both.
        whole: by name metrics of all rows.
        by_group: the same of every group.
        metrics: what a task may name, which say whether more or less is worse.

    Returns:
        NaN for the worst where the metric is not defined for a group: any could be the worst.
    """
    return {
        name: _worst([of[base_of(name)] for of in by_group.values()], metrics[base_of(name)])
        if is_worst(name)
        else whole[name]
        for name in names
    }


def _worst(values: Collection[float], metric: Metric) -> float:
    if not values or any(map(math.isnan, values)):
        return math.nan
    return max(values) if metric.less_is_better else min(values)


def check_worst(task: Task, names: Iterable[str]) -> None:
    """Refuse groups that can't be read, and metrics of groups of a task that has none.

    Raises:
        UserError: naming the key of the task to change.
    """
    where = f"task '{task.name}'"
    if task.groups is not None and not all(text.strip() for text in task.groups or [""]):
        raise UserError(f"Change groups of {where}: name a column or an expression, or null.")
    wanted = next(filter(is_worst, names), None)
    if wanted and task.groups is None:
        raise UserError(f"Add groups to {where}, or change its metrics: {wanted} is of groups.")
