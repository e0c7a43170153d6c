import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.apportionment import apportion, fixed_counts
from tlbench.data.sampling import proportions


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=9), st.integers(0, 5000))
def test_apportion_is_exact_and_fair(weights: list[float], total: int) -> None:
    shares = np.array(weights) / sum(weights)
    counts = apportion(shares, total)
    assert counts.sum() == total
    assert (abs(counts - shares * total) <= 1 + 1e-6).all()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=9), st.integers(9, 256))
def test_fixed_counts_fill_the_batch_with_every_task(sizes: list[int], batch_size: int) -> None:
    counts = fixed_counts(proportions("size", np.array(sizes)), batch_size)
    assert counts.sum() == batch_size
    assert counts.min() >= 1
