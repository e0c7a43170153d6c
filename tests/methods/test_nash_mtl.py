import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gradients import DEPENDENT, OPPOSITE, THREE, TWO, direction, drawn
from tlbench.methods.nash_mtl import NashMTL

RULE = NashMTL()


@pytest.mark.parametrize(
    ("gradients", "expected"),
    [(TWO, (0.076584, 0.998533, 0.998533)), (THREE, (0.619217, 0.712511, 1.452204))],
)
def test_golden(gradients: torch.Tensor, expected: tuple[float, ...]) -> None:
    assert direction(RULE, gradients).tolist() == pytest.approx(expected, abs=1e-6)


@given(seed=st.integers(0, 10**6), tasks=st.integers(1, 9))
def test_the_squared_length_is_the_number_of_tasks(seed: int, tasks: int) -> None:
    found = direction(RULE, drawn(seed, tasks, 4 * tasks, magnitudes=3))
    assert float(found @ found) == pytest.approx(tasks, abs=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_task_whose_loss_is_scaled_changes_nothing(scale: float, row: int) -> None:
    scaled = THREE.clone()
    scaled[row] *= scale
    assert direction(RULE, scaled).tolist() == pytest.approx(direction(RULE, THREE).tolist())


@given(seed=st.integers(0, 10**6))
def test_each_task_gains_in_proportion(seed: int) -> None:
    """G a = 1 / a: what a task gains times its weight is the same for all."""
    gradients = drawn(seed, 3, 12, magnitudes=1)
    weights = RULE(gradients @ gradients.T)
    assert (gradients @ (weights @ gradients) * weights).tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("gradients", [OPPOSITE, DEPENDENT])
def test_opposite_and_dependent_gradients_have_finite_weights(gradients: torch.Tensor) -> None:
    assert RULE(gradients @ gradients.T).isfinite().all()
    assert direction(RULE, gradients).isfinite().all()
