from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.planned_batches import by_length
from tlbench.data.tokenized_split import TokenizedSplit


class Lengths(TokenizedSplit):
    """Rows of which only the lengths matter."""

    def __init__(self, lengths: list[int], sequences: int) -> None:
        object.__setattr__(self, "lengths", np.array(lengths))
        object.__setattr__(self, "kind", SimpleNamespace(sequences=sequences))


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 500), st.integers(1, 3)
)
def test_evaluation_batches_have_at_most_so_many_tokens(
    lengths: list[int], tokens: int, sequences: int
) -> None:
    batches = by_length(Lengths(lengths, sequences), tokens)
    rows = [rows for batch in batches for _, rows in batch]
    assert sorted(np.concatenate(rows)) == list(range(len(lengths)))
    for of_batch in rows:
        padded = max(lengths[row] for row in of_batch) * len(of_batch) * sequences
        assert padded <= tokens or len(of_batch) == 1
    evaluated_lengths = [lengths[row] for of_batch in rows for row in of_batch]
    assert evaluated_lengths == sorted(evaluated_lengths)
