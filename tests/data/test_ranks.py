from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.ranks import rank_part, rank_part_by_task
from tlbench.methods.base import Method
from tlbench.methods.mean import Mean
from tlbench.methods.sum import Sum

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any)


@given(counts=COUNTS, count=st.integers(1, 5), method=st.sampled_from([Sum, Mean]))
def test_ranks_share_out_every_row_and_its_weight(
    counts: list[int], count: int, method: type[Method]
) -> None:
    parts = shared_out(rank_part, counts, count, method([]))
    assert {sum(map(len, rows)) for rows, _ in parts} == {-(-sum(counts) // count)}


@given(counts=COUNTS, count=st.integers(1, 4))
def test_ranks_have_as_many_rows_of_every_task(counts: list[int], count: int) -> None:
    for rows, weights in shared_out(rank_part_by_task, counts, count, Sum([])):
        assert [len(of_task) for of_task in rows] == [-(-n // count) for n in counts]
        assert len(weights) == sum(map(len, rows))


def shared_out(part: Any, counts: list[int], count: int, method: Method) -> list[Any]:
    """Return the parts of ranks, of which each row has its weight in one."""
    ids = [np.arange(n) + 100 * task for task, n in enumerate(counts)]
    weights = method.row_weights(counts)
    parts = [part(ids, weights, rank, count) for rank in range(count)]
    weighed = [
        (int(row), float(weight))
        for rows, of_rank in parts
        for row, weight in zip(np.concatenate(rows), of_rank, strict=True)
        if weight
    ]
    expected = zip(np.concatenate(ids), weights.tolist(), strict=True)
    assert dict(weighed) == pytest.approx({int(row): weight * count for row, weight in expected})
    assert len(weighed) == sum(counts)
    return parts
