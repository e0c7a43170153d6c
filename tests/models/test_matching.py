from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from tests.support.related import MNLI, RTE, STSB, TO_RTE, TOPICS
from tlbench.config.schema import Match, Task
from tlbench.models.matching import Matching
from tlbench.models.terms import Read
from tlbench.tasks.kinds import kind_of


class Says(nn.Module):
    """A head that gives these logits, whatever it reads."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, features: Tensor) -> Tensor:
        assert len(features) == len(self.logits)
        return self.logits


def logits(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def term(name: Any, other: Task, given: Any, labels: Tensor, own: Tensor, read: Tensor) -> Tensor:
    match = Match(name, 0.5, {"mnli": {other.name: given}, "other": {"mnli": [[1]]}})
    kinds, rows = [kind_of(MNLI), kind_of(other)], torch.zeros(len(labels), 4)
    none = torch.zeros(0, kinds[1].outputs)
    heads, features = [Says(own), Says(read)], [rows, rows[:0]]
    of_other = kinds[1].label_tensor([])
    of_task, of_none = Matching(match, [MNLI, other])(
        Read(kinds, heads, features, [own, none], [labels, of_other], ())
    )
    assert of_none.shape == (0,)
    return 2 * of_task


@given(seed=st.integers(0, 100))
def test_co_annotation_by_0_and_1_is_the_cross_entropy_of_the_other_head(seed: int) -> None:
    labels = torch.tensor([0.0, 1.0, 2.0, 2.0])
    read = logits(4, 2, seed=seed)
    expected = cross_entropy(read, torch.tensor([0, 1, 1, 1]), reduction="none")
    found = term("co_annotation", RTE, TO_RTE, labels, logits(4, 3), read)
    torch.testing.assert_close(found, expected)


@given(seed=st.integers(0, 100))
def test_matching_of_a_head_that_is_sure_is_co_annotation(seed: int) -> None:
    labels = torch.tensor([0.0, 1.0, 2.0])
    read, sure = logits(3, 2, seed=seed), 100 * torch.eye(3)
    torch.testing.assert_close(
        term("distribution", RTE, TO_RTE, labels, sure, read),
        term("co_annotation", RTE, TO_RTE, labels, sure, read),
    )


def test_matching_expects_what_the_own_head_says_through_the_relation() -> None:
    own = torch.tensor([[0.5, 0.3, 0.2]]).log()
    read = torch.tensor([[0.6, 0.4]]).log()
    found = term("distribution", RTE, TO_RTE, torch.tensor([2.0]), own, read)
    # -(0.5 log 0.6 + 0.5 log 0.4)
    assert float(found) == pytest.approx(0.713558, abs=1e-6)


def test_the_own_head_learns_nothing_of_the_term() -> None:
    own, read = logits(3, 3).requires_grad_(), logits(3, 2).requires_grad_()
    term("distribution", RTE, TO_RTE, torch.zeros(3), own, read).sum().backward()
    assert own.grad is None
    assert read.grad is not None


def test_a_regression_is_brought_to_the_expected_number() -> None:
    own = torch.tensor([[0.5, 0.5, 0.0]]).log()
    found = term("distribution", STSB, [4.5, 3, 1], torch.zeros(1), own, torch.tensor([[2.75]]))
    assert float(found) == pytest.approx(1.0)  # (3.75 - 2.75)^2


def test_several_labels_have_a_binary_cross_entropy_each() -> None:
    read = logits(2, 2)
    found = term(
        "co_annotation",
        TOPICS,
        [[1, 1], [0.5, 0], [0, 0]],
        torch.tensor([0.0, 1.0]),
        logits(2, 3),
        read,
    )
    expected = torch.tensor([[1.0, 1.0], [0.5, 0.0]])
    torch.testing.assert_close(
        found, binary_cross_entropy_with_logits(read, expected, reduction="none").mean(dim=1)
    )
