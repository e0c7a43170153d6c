"""Groups of tasks to train together, chosen by what every task is predicted to gain from others.

The search of Fifty et al. (2021, NeurIPS): a task's gain in a group is the mean of its gains from
the group's other tasks, each task takes the best of the chosen groups, and their sum is largest.
Unlike theirs a task may stay alone, which gains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tlbench.errors import UserError

MOST_TASKS = 12  # of which 4,083 groups can be made

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grouping:
    """The groups that were chosen.

    Attributes:
        groups: of task names; a task may be in several, and those in none stay alone.
        gains: by task its predicted gain in the best of its groups; 0 alone.
    """

    groups: tuple[tuple[str, ...], ...]
    gains: Mapping[str, float]

    @property
    def total(self) -> float:
        """The sum of the gains."""
        return float(sum(self.gains.values()))


def best_groups(gains: Mapping[tuple[str, str], float], count: int) -> Grouping:
    """Return the groups, at most so many, whose tasks gain most in all; exact.

    Args:
        gains: by target and support what the target is predicted to gain; of all pairs.
        count: how many groups at most.

    Raises:
        UserError: if there are too many tasks to try all groups.
    """
    tasks = sorted({name for pair in gains for name in pair})
    if len(tasks) > MOST_TASKS:
        raise UserError(
            f"Give {MOST_TASKS} tasks or fewer: of {len(tasks)} there are too many groups."
        )
    groups, values = _values(tasks, gains)
    chosen = _search(values, count)
    reached = values[chosen].max(axis=0, initial=0.0)
    # What no task takes for its best is trained for nothing.
    used = [at for at in chosen if ((values[at] == reached) & (reached > 0)).any()]
    return Grouping(
        tuple(groups[at] for at in used), dict(zip(tasks, reached.tolist(), strict=True))
    )


def _values(
    tasks: Sequence[str], gains: Mapping[tuple[str, str], float]
) -> tuple[list[tuple[str, ...]], Array]:
    """Return all groups of two tasks or more, and what each task gains in each, (groups, tasks)."""
    groups = [group for size in range(2, len(tasks) + 1) for group in combinations(tasks, size)]
    values = np.zeros((len(groups), len(tasks)))
    for at, group in enumerate(groups):
        for task in group:
            others = [gains[task, other] for other in group if other != task]
            values[at, tasks.index(task)] = max(float(np.mean(others)), 0.0)
    return groups, values


def _search(values: Array, count: int) -> list[int]:
    """Return the rows, at most so many, whose maxima by column have the largest sum.

    Branch and bound: what is left can't lift a column above the best of all its rows.
    """
    order = np.argsort(-values.sum(axis=1), kind="stable")
    order = order[values[order].sum(axis=1) > 0]
    sums = values[order].sum(axis=1)
    best: tuple[float, list[int]] = (0.0, [])

    def descend(start: int, chosen: list[int], reached: Array) -> None:
        nonlocal best
        if reached.sum() > best[0] + 1e-12:
            best = float(reached.sum()), chosen
        left = count - len(chosen)
        if not left:
            return
        most = values[order[start:]].max(axis=0, initial=0.0)
        if np.maximum(reached, most).sum() <= best[0] + 1e-12:
            return
        for at in range(start, len(order)):
            # Sorted by their sums: no later row adds more than this one's whole sum.
            if reached.sum() + left * sums[at] <= best[0] + 1e-12:
                return
            lifted = np.maximum(reached, values[order[at]])
            if lifted.sum() > reached.sum():
                descend(at + 1, [*chosen, int(order[at])], lifted)

    descend(0, [], np.zeros(values.shape[1]))
    return best[1]
