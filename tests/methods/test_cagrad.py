import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gradients import OPPOSITE, THREE, TWO, direction, drawn
from tlbench.methods.cagrad import CAGrad


@pytest.mark.parametrize(
    ("c", "gradients", "expected"),
    [
        (0.4, TWO, (0.346803, 1.163299, 1.163299)),
        (0.5, TWO, (0.183503, 1.204124, 1.204124)),
        (0.4, THREE, (0.280858, 0.329081, 0.762557)),
        (0.5, THREE, (0.278811, 0.350367, 0.828052)),
    ],
)
def test_golden(c: float, gradients: torch.Tensor, expected: tuple[float, ...]) -> None:
    assert direction(CAGrad(c), gradients).tolist() == pytest.approx(expected, abs=1e-5)


@given(seed=st.integers(0, 10**6), tasks=st.integers(2, 9))
def test_it_stays_near_the_mean_and_is_no_worse_for_the_worst_task(seed: int, tasks: int) -> None:
    gradients = drawn(seed, tasks, 3 * tasks, magnitudes=1)
    mean, found = gradients.mean(dim=0), direction(CAGrad(), gradients)
    assert float((found - mean).norm()) == pytest.approx(0.5 * float(mean.norm()), rel=1e-4)
    worst, of_mean = (gradients @ found).min(), (gradients @ mean).min()
    assert worst >= of_mean - 1e-6 * float(gradients.norm()) ** 2


def test_without_reach_it_is_the_mean() -> None:
    assert direction(CAGrad(0), THREE).tolist() == pytest.approx(THREE.mean(dim=0).tolist())


def test_opposite_gradients_cancel() -> None:
    assert direction(CAGrad(), OPPOSITE).tolist() == pytest.approx([0, 0])
