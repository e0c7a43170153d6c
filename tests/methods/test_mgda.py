import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gradients import OPPOSITE, THREE, TWO, direction, drawn
from tlbench.methods.mgda import MGDA


@pytest.mark.parametrize(
    ("gradients", "expected"), [(TWO, (0, 1, 1)), (THREE, (0.098784, 0.217325, 0.572948))]
)
def test_golden(gradients: torch.Tensor, expected: tuple[float, ...]) -> None:
    assert direction(MGDA(), gradients).tolist() == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 10**6), tasks=st.integers(1, 9), parameters=st.integers(2, 20))
def test_it_is_the_shortest_convex_combination(seed: int, tasks: int, parameters: int) -> None:
    """No gradient reaches less far along it than it is long."""
    gradients = drawn(seed, tasks, parameters, magnitudes=1)
    weights = MGDA()(gradients @ gradients.T)
    assert weights.min() >= 0
    assert float(weights.sum()) == pytest.approx(1)
    found = weights @ gradients
    assert float((gradients @ found).min()) >= float(found @ found) - 1e-8 * float(
        (gradients**2).sum()
    )


def test_opposite_gradients_cancel() -> None:
    assert direction(MGDA(), OPPOSITE).tolist() == pytest.approx([0, 0])
