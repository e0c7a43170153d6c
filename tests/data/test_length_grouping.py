import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.batching import BatchPlan, Mixer
from tlbench.data.length_grouping import WINDOW, group_by_length
from tlbench.data.sampling import proportions

RNG = np.random.default_rng(0)
LENGTHS = [RNG.integers(4, 40, 300), RNG.integers(30, 128, 900)]


def plan(batches: str = "heterogeneous", epoch: int = 0) -> list[BatchPlan]:
    mixer = Mixer(
        ("cola", "qnli"),
        (300, 900),
        proportions("size", np.array([300, 900])),
        batches,
        "total",
        16,
        seed=0,
    )
    return mixer.plan(epoch)


def counts(batches: list[BatchPlan]) -> list[dict[int, int]]:
    return [{task: len(rows) for task, rows in batch} for batch in batches]


def rows_of(batches: list[BatchPlan]) -> list[tuple[int, int]]:
    return sorted((task, int(row)) for batch in batches for task, rows in batch for row in rows)


def tokens(batches: list[BatchPlan]) -> int:
    """With their padding."""
    return sum(
        max(LENGTHS[task][rows].max() for task, rows in batch) * sum(len(rows) for _, rows in batch)
        for batch in batches
    )


@given(
    st.sampled_from(["heterogeneous", "homogeneous", "partition", "fixed_counts"]),
    st.integers(0, 50),
)
def test_no_batch_changes_its_tasks_counts_and_no_row_is_lost(batches: str, seed: int) -> None:
    before = plan(batches)
    after = group_by_length(before, LENGTHS, np.random.default_rng(seed))
    assert counts(after) == counts(before)
    assert rows_of(after) == rows_of(before)
    for low in range(0, len(before), WINDOW):
        window = slice(low, low + WINDOW)
        assert rows_of(after[window]) == rows_of(before[window])


@pytest.mark.parametrize("batches", ["heterogeneous", "homogeneous"])
def test_there_is_less_padding(batches: str) -> None:
    before = plan(batches)
    after = group_by_length(before, LENGTHS, np.random.default_rng(0))
    assert tokens(after) < 0.9 * tokens(before)


def test_the_lengths_do_not_come_in_order() -> None:
    after = group_by_length(plan(), LENGTHS, np.random.default_rng(0))
    longest = np.array([LENGTHS[1][dict(batch)[1]].max() for batch in after[:WINDOW]])
    assert abs(np.corrcoef(longest, np.arange(WINDOW))[0, 1]) < 0.5
