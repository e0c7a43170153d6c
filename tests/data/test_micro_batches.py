from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import DictConfig

from tests.support.experiments import Compose
from tlbench.data.batch import Batch
from tlbench.data.micro_batches import cut, cut_alike, padded
from tlbench.plan.build import build
from tlbench.training.datamodule import MultiTaskDataModule

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40)
ROWS, TOKENS = st.integers(1, 20), st.integers(1, 500)


def lengths_of_ranks(rows: int) -> st.SearchStrategy[list[list[int]]]:
    of_rank = st.lists(st.integers(1, 60), min_size=rows, max_size=rows)
    return st.lists(of_rank, min_size=1, max_size=4)


def loaded(cfg: DictConfig) -> list[Batch]:
    """Return the first epoch's batches of a plan's last stage."""
    data = MultiTaskDataModule(build(cfg).plan()[-1])
    data.setup()
    return list(data.train_dataloader())


def test_rows_go_together_while_rows_and_padded_tokens_are_few_enough() -> None:
    assert cut([3, 8, 9, 16, 40, 1], rows=3, tokens=48) == [3, 1, 1, 1]
    assert cut([8] * 7, rows=3, tokens=1000) == [3, 3, 1]
    assert cut([100, 100], rows=3, tokens=48) == [1, 1]  # a row can't be cut


@given(LENGTHS, ROWS, TOKENS)
def test_no_forward_has_more_than_it_may(lengths: list[int], rows: int, tokens: int) -> None:
    sizes = cut(lengths, rows, tokens)
    assert sum(sizes) == len(lengths)
    for low, high in pairwise(accumulate(sizes, initial=0)):
        assert 0 < high - low <= rows
        assert high - low == 1 or (high - low) * padded(max(lengths[low:high])) <= tokens


def test_sequences_of_a_row_stay_together_and_count_each() -> None:
    assert cut([8, 8, 8], rows=3, tokens=32, sequences=[1, 3, 1]) == [2, 1]
    assert cut([8, 8, 8], rows=3, tokens=16, sequences=[3, 3, 1]) == [1, 1, 1]
    assert cut([9, 8], rows=3, tokens=64, sequences=[2, 2]) == [2]
    sizes = cut_alike([[8, 8], [8, 8]], rows=4, tokens=32, sequences=[[1, 1], [3, 3]])
    assert sizes == [[1, 1], [1, 1]]


@given(st.integers(1, 12).flatmap(lengths_of_ranks), ROWS, TOKENS)
@example([[8, 8, 8, 8], [60, 60, 60, 60]], 4, 64)  # one forward would do, and four are needed
def test_ranks_have_as_many_forwards(ranks: list[list[int]], rows: int, tokens: int) -> None:
    sizes = cut_alike(ranks, rows, tokens)
    assert len({len(of_rank) for of_rank in sizes}) == 1
    assert len(sizes[0]) == max(len(cut(lengths, rows, tokens)) for lengths in ranks)
    assert all(sum(of_rank) == len(ranks[0]) and min(of_rank) > 0 for of_rank in sizes)


@pytest.mark.parametrize("method", ["sum", "pcgrad"])
def test_the_rows_of_a_step_are_the_same_in_the_order_of_their_lengths(
    compose: Compose, method: str
) -> None:
    common = ("strategy=mtl", "support_task=mnli", f"method={method}", "subsample_size.target=40")
    plain, by_tokens = (
        loaded(compose(*common, *more)) for more in ((), ("micro_batch_tokens=128",))
    )
    for one, other in zip(plain, by_tokens, strict=True):
        assert sorted(one.ids.tolist()) == sorted(other.ids.tolist())
        assert one.counts == other.counts
        of_tasks = [other.lengths[a:b] for a, b in pairwise(accumulate(other.counts, initial=0))]
        assert all(list(lengths) == sorted(lengths) for lengths in of_tasks)
        pieces = list(other.micro_batches(16))
        assert len(pieces) > 1
        for piece in pieces:
            tokens = piece.inputs["input_ids"].shape[1]
            assert max(piece.lengths) <= tokens <= padded(max(piece.lengths))
            assert len(piece.ids) * tokens <= 128
            assert piece.inputs["attention_mask"].sum(1).tolist() == list(piece.lengths)
            assert method == "sum" or sum(map(bool, piece.counts)) == 1
        for _, rows in other.by_task():
            own = list(rows.micro_batches(16))
            assert sum(len(piece.ids) for piece in own) == len(rows.ids)
            assert all(piece.inputs["input_ids"].numel() <= 128 for piece in own)
