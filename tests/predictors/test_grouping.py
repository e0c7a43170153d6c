from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlbench.errors import UserError
from tlbench.predictors.grouping import best_groups

Gains = dict[tuple[str, str], float]


def matrix(rows: list[list[float]]) -> Gains:
    """Gains by target and support, of what each row's task does to each column's."""
    names = "abcdefghi"[: len(rows)]
    return {(names[j], names[i]): rows[i][j] for i, j in permutations(range(len(rows)), 2)}


def test_golden_groups() -> None:
    found = best_groups(
        matrix(
            [[0, 0.3, -0.2, 0.1], [0.25, 0, -0.1, 0.05], [-0.3, -0.2, 0, 0.4], [0, 0.1, 0.35, 0]]
        ),
        count=2,
    )
    assert {frozenset(group) for group in found.groups} == {frozenset("ab"), frozenset("cd")}
    assert found.total / 4 == pytest.approx(0.325)


def test_a_task_that_gains_nowhere_stays_alone() -> None:
    found = best_groups(matrix([[0, 0.2, -0.1], [0.2, 0, -0.1], [-0.3, -0.3, 0]]), count=3)
    assert found.groups == (("a", "b"),)
    assert found.gains["c"] == 0
    assert best_groups(matrix([[0, -0.1], [-0.1, 0]]), count=2).groups == ()


@settings(max_examples=30)
@given(st.integers(3, 5), st.integers(1, 3), st.integers(0, 10**6))
def test_no_other_groups_gain_more(tasks: int, count: int, random: int) -> None:
    rows = np.random.default_rng(random).normal(0, 0.1, (tasks, tasks)).tolist()
    gains = matrix(rows)
    found = best_groups(gains, count)
    assert len(found.groups) <= count
    assert found.total == pytest.approx(by_trying_all(gains, tasks, count))


def by_trying_all(gains: Gains, tasks: int, count: int) -> float:
    names = "abcdefghi"[:tasks]
    groups = [group for size in range(2, tasks + 1) for group in combinations(names, size)]

    def gain(task: str, chosen: tuple[tuple[str, ...], ...]) -> float:
        found = [np.mean([gains[task, o] for o in g if o != task]) for g in chosen if task in g]
        return max([0.0, *map(float, found)])

    return max(
        sum(gain(task, chosen) for task in names)
        for size in range(count + 1)
        for chosen in combinations(groups, size)
    )


def test_nine_tasks_are_searched_in_seconds_and_thirteen_refused() -> None:
    rows = np.random.default_rng(0).normal(0, 0.05, (9, 9)).tolist()
    assert best_groups(matrix(rows), count=3).total > 0
    many = {(f"t{i}", f"t{j}"): 0.1 for i, j in permutations(range(13), 2)}
    with pytest.raises(UserError, match=r"^Give 12 tasks or fewer"):
        best_groups(many, 2)
