"""Rows that several tasks of a stage share, each with a label column: they are drawn together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tlbench.config.schema import Task
from tlbench.data.batching import BatchPlan
from tlbench.tasks.label_columns import same_rows

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class RowGroup:
    """Tasks on the same rows, and those of the rows that have a label of any of them.

    Attributes:
        tasks: their places in the stage; one for a task by itself.
        positions: of each task and row the place among the task's used rows, -1 where it has no
            label, (tasks, rows).
    """

    tasks: tuple[int, ...]
    positions: Ints

    @classmethod
    def of(cls, tasks: tuple[int, ...], used: Sequence[Ints]) -> "RowGroup":
        """Return the group of these tasks.

        Args:
            used: of each of the stage's tasks the numbers of its rows, ascending.
        """
        if len(tasks) == 1:
            return cls(tasks, np.arange(len(used[tasks[0]]))[None])
        rows = np.unique(np.concatenate([used[task] for task in tasks]))
        positions = np.full((len(tasks), len(rows)), -1, np.int64)
        for of_task, task in zip(positions, tasks, strict=True):
            of_task[np.searchsorted(rows, used[task])] = np.arange(len(used[task]))
        return cls(tasks, positions)

    def __len__(self) -> int:
        return int(self.positions.shape[1])

    def lengths(self, of_tasks: Sequence[Ints]) -> Ints:
        """Return how many tokens each row has, (rows,), from those of each task's used rows."""
        lengths = np.zeros(len(self), np.int64)
        for positions, task in zip(self.positions, self.tasks, strict=True):
            lengths[positions >= 0] = of_tasks[task][positions[positions >= 0]]
        return lengths


def row_groups(tasks: Sequence[Task], used: Sequence[Ints]) -> list[RowGroup]:
    """Return the groups of a stage's tasks, in the order of ``same_rows``.

    Args:
        used: of each task the numbers of its rows, ascending.
    """
    return [RowGroup.of(places, used) for places in same_rows(tasks)]


def expanded(plan: BatchPlan, groups: Sequence[RowGroup]) -> tuple[list[Ints], Ints]:
    """Return a batch's rows by task, and which of them are the same row.

    Args:
        plan: by group, rows of it.

    Returns:
        Of each task of the stage the places among its used rows; and of all these, one task after
        the other, the number of the row in the batch, from 0.
    """
    count = sum(len(group.tasks) for group in groups)
    positions, numbers = [np.empty(0, np.int64)] * count, [np.empty(0, np.int64)] * count
    first = 0
    for number, rows in plan:
        group = groups[number]
        for task, of_task in zip(group.tasks, group.positions[:, rows], strict=True):
            has_label = np.flatnonzero(of_task >= 0)
            positions[task] = of_task[has_label]
            numbers[task] = first + has_label
        first += len(rows)
    return positions, np.concatenate(numbers)
