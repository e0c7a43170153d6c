import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gradients import OPPOSITE, THREE, TWO, direction, drawn
from tlbench.methods.upgrad import UPGrad


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [(TWO, (0.292398, 1.900585, 1.900585)), (THREE, (0.265616, 0.406117, 0.842903))],
)
def test_golden(gradients: torch.Tensor, expected: tuple[float, ...]) -> None:
    assert direction(UPGrad(), gradients).tolist() == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 10**6), tasks=st.integers(1, 9))
def test_no_task_loses(seed: int, tasks: int) -> None:
    gradients = drawn(seed, tasks, 2 * tasks, magnitudes=3)
    found = direction(UPGrad(), gradients)
    cosines = gradients @ found / gradients.norm(dim=1) / found.norm()
    assert cosines.min() > -1e-6


def test_without_a_conflict_it_is_the_mean() -> None:
    gradients = torch.tensor([[2.0, 0], [1, 3]], dtype=torch.float64)
    assert direction(UPGrad(), gradients).tolist() == pytest.approx([1.5, 1.5])


def test_opposite_gradients_cancel() -> None:
    assert direction(UPGrad(), OPPOSITE).tolist() == pytest.approx([0, 0])
