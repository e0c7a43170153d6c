"""Sources with a label column for each of several tasks: ``label: {sentiment: s, topic: t}``.

The tasks have the same rows, of which some cells may be empty: partial supervision. Each is a task
as any other; where a stage trains several of them, a row goes through the encoder once for all.
"""

from collections.abc import Sequence
from dataclasses import replace

from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.kinds import class_of


def has_label_columns(task: Task) -> bool:
    """Whether a task's source has a label column for each of several tasks, of which it is one."""
    return isinstance(task.source.label, dict) and class_of(task).reads_labels


def label_column(task: Task) -> str | None:
    """Return the column of a task's label; None where the source names none, or it reads none.

    Raises:
        UserError: if the source names columns of other tasks alone.
    """
    label = task.source.label
    if not class_of(task).reads_labels:
        return None
    if not isinstance(label, dict):
        return None if label is None else str(label)
    if task.name not in label:
        raise UserError(
            f"Change source.label of task '{task.name}': it names columns of {', '.join(label)}, "
            f"and none of '{task.name}'."
        )
    return str(label[task.name])


def label_columns(task: Task) -> list[str]:
    """Return the columns of the labels of all tasks that a task's source is of."""
    label = task.source.label
    if isinstance(label, dict):
        return [str(column) for column in label.values()]
    return [] if label is None else [str(label)]


def same_rows(tasks: Sequence[Task]) -> list[tuple[int, ...]]:
    """Return which of the tasks are on the same rows: their places, each in one group.

    A task by itself is a group of one. Groups are in the order of their first task.
    """
    groups: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        # How labels are written may differ from column to column.
        rows = repr(replace(task.source, values=None, separator=None))
        groups.setdefault(rows if has_label_columns(task) else str(place), []).append(place)
    return [tuple(places) for places in groups.values()]
