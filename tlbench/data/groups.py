"""In which group each row of a task is, and which rows of a split are in each."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from tlbench.config.schema import Task
from tlbench.data.expressions import RowExpression
from tlbench.data.readers import Row
from tlbench.errors import UserError

IN_GROUP = "in_group"  # the column of rows that says it
_NO_GROUP = ""  # of a row that has no label, and so is neither trained nor scored
FEW = 25  # rows of which a group's accuracy has a standard error of up to ten points

Groups = Mapping[str, NDArray[np.bool_]]  # by name which rows are in it, (rows,)


def with_groups(task: Task) -> Callable[[Row, Row, str], Row]:
    """Return what gives a row that is read its group, where the task has ``groups``.

    The expressions of ``groups`` are of the raw row's columns, and of ``text_a``, ``text_b`` and
    ``label`` (the name of a class, a number, or a list of names), which mean what the task reads
    whatever its source is. What they give is joined by commas, so that several are crossed.

    Args of what is returned: the raw row, the row as it is used, and file and line.

    Raises:
        UserError: if one is no expression; and later of a row, if it can't be computed of it, or
            gives nothing.
    """
    if task.groups is None:
        return lambda raw, usable, where: usable
    key = f"groups of task '{task.name}'"
    expressions = [RowExpression(text, key) for text in task.groups]

    def grouped(raw: Row, usable: Row, where: str) -> Row:
        if _is_missing(usable["label"]):
            return {**usable, IN_GROUP: _NO_GROUP}
        columns = {**raw, **usable, "label": _in_words(task, usable["label"])}
        parts = [str(expression(columns, where)).strip() for expression in expressions]
        if not all(parts):
            empty = task.groups[parts.index("")] if task.groups else ""
            raise UserError(f"Change {key}: {where} is in none, as {empty} is empty there.")
        return {**usable, IN_GROUP: ", ".join(parts)}

    return grouped


def _is_missing(label: Any) -> bool:
    """Whether a row has no label of the task, of whose source a column of another task has one."""
    number = label[0] if isinstance(label, list) else label
    return math.isnan(number)


def _in_words(task: Task, label: Any) -> Any:
    """Return a label by its name, where the task has names of labels."""
    if task.labels is None:
        return label
    if not isinstance(label, list):
        return task.labels[int(label)]
    if task.kind == "multilabel":
        return [name for name, flag in zip(task.labels, label, strict=True) if flag]
    return [task.labels[int(place)] for place in label]


def groups_of(rows: Dataset, used: NDArray[np.int64]) -> Groups:
    """Return by name which of the rows that are used are in each group; none without groups.

    Args:
        rows: with the column ``IN_GROUP``, where the task has groups.
        used: numbers of rows.

    Returns:
        Of each group (used rows,).
    """
    if IN_GROUP not in rows.column_names:
        return {}
    names = np.asarray(rows.data.column(IN_GROUP).to_numpy(zero_copy_only=False))[used]
    return {str(name): names == name for name in sorted({*names.tolist()} - {_NO_GROUP})}


def check_groups(task: Task, rows: Mapping[str, Dataset], used: Mapping[str, Any]) -> None:
    """Refuse a split that is scored on rows of which none are in a group of the task.

    Args:
        rows: by split all of its rows.
        used: by split that is scored the numbers of the rows that are.

    Raises:
        UserError: naming the group.
    """
    if task.groups is None:
        return
    every = {name: split for split in rows for name in rows[split].unique(IN_GROUP) if name}
    for split, numbers in used.items():
        for name in sorted(every.keys() - groups_of(rows[split], numbers).keys()):
            change = "source.test, or " if split == "test" else "subsample_size.dev, or "
            raise UserError(
                f"Change {change}groups of task '{task.name}': none of the {len(numbers):,} rows "
                f"of {split} is in the group '{name}', which {every[name]} has."
            )


def group_lines(task: str, split: str, counts: Mapping[str, int]) -> list[str]:
    """Return in a line how many rows of a split are in each group; none without groups."""
    said = "; ".join(f"{name} {count:,}" for name, count in counts.items())
    return [f"{task} {split}: rows of groups: {said}"] if counts else []


def small_groups(task: str, split: str, counts: Mapping[str, int]) -> list[str]:
    """Return what a person should look at before groups of few rows are scored."""
    small = [f"{name} {count}" for name, count in counts.items() if count < FEW]
    if split == "train" or not small:
        return []
    return [
        f"{task} {split}: groups of few rows ({'; '.join(small)}): the accuracy of {FEW} has a "
        "standard error of up to 10 points"
    ]


def counts_of(groups: Groups) -> dict[str, int]:
    """Return by name how many rows are in each group."""
    return {name: int(rows.sum()) for name, rows in groups.items()}
