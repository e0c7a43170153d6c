"""Batches whose tasks have labels of several shapes: a class, several numbers, a number a token."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_lightning.plugins.precision import HalfPrecision

from tlbench.data.batch import Batch

COUNTS = (3, 0, 2, 4)
LABELS = (
    torch.tensor([257.0, 1.0, 4.2]),
    torch.empty(0, 5),
    torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
    torch.arange(24.0).reshape(4, 6),
)


def batch() -> Batch:
    rows = sum(COUNTS)
    return Batch(
        {"input_ids": torch.arange(rows * 8).reshape(rows, 8)},
        tuple(labels.view(torch.int32) for labels in LABELS),
        COUNTS,
        torch.ones(rows),
        torch.arange(rows),
        rows,
        (8, 0, 8, 8),
    )


@given(rows=st.none() | st.integers(1, 10))
def test_micro_batches_have_every_label_once_and_beside_its_row(rows: int | None) -> None:
    pieces = list(batch().micro_batches(rows))
    for task, labels in enumerate(LABELS):
        assert torch.equal(torch.cat([piece.labels[task] for piece in pieces]), labels)
    for piece in pieces:
        assert [len(of_task) for of_task in piece.labels] == list(piece.counts)
        assert sum(piece.counts) == len(piece.ids)


def test_a_task_alone_has_its_own_labels_and_none_of_the_others() -> None:
    for task, alone in batch().by_task():
        assert torch.equal(alone.labels[task], LABELS[task])
        assert [len(of_task) for of_task in alone.labels] == list(alone.counts)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_no_precision_changes_a_label(precision: str) -> None:
    converted = HalfPrecision(precision).convert_input(batch())
    assert all(map(torch.equal, converted.labels, LABELS))
