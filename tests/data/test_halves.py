import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.halves import in_second_half

ROWS = np.arange(1000)


@given(rows=st.sets(st.integers(0, 10**6), max_size=60), seed=st.integers(0, 2**32 - 1))
def test_halves_differ_by_one_row_at_most_whatever_the_order(rows: set[int], seed: int) -> None:
    given_rows = np.array(sorted(rows), dtype=np.int64)
    second = in_second_half(given_rows, "rte", seed)
    assert second.shape == given_rows.shape
    assert second.sum() == len(rows) // 2
    assert np.array_equal(in_second_half(given_rows[::-1], "rte", seed), second[::-1])


def test_the_same_rows_are_split_the_same_way_for_ever() -> None:
    # Else a stage that goes on under another version would be scored by rows that have chosen.
    second = in_second_half(np.arange(12), "rte", 0)
    assert np.flatnonzero(second).tolist() == [1, 3, 6, 7, 8, 10]


@pytest.mark.parametrize("change", [("rte", 1), ("mrpc", 0)])
def test_another_task_or_seed_is_split_in_another_way(change: tuple[str, int]) -> None:
    agreeing = (in_second_half(ROWS, "rte", 0) == in_second_half(ROWS, *change)).mean()
    assert 0.4 < agreeing < 0.6


def test_a_half_does_not_follow_the_order_of_the_file() -> None:
    second = in_second_half(ROWS, "rte", 0)
    for part in (ROWS < 500, ROWS % 2 == 0):
        assert 0.4 < second[part].mean() < 0.6
