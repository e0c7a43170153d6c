from copy import deepcopy

import pytest
import torch

from tlbench.methods.uncertainty import Uncertainty

LOSSES = torch.tensor([0.5, 1.0, 2.0])
PRESENT = torch.tensor([True, True, True])
NAMES = ["a", "b", "c"]


@pytest.mark.parametrize(("start", "expected"), [(0.0, 1.75), (-0.5, 2.135262)])
def test_golden_loss(start: float, expected: float) -> None:
    method = Uncertainty(NAMES, start=start)
    total = (method.weights(0, 0) * LOSSES).sum() + method.log_variances.sum() / 2
    assert float(total) == pytest.approx(expected, abs=1e-6)


def test_golden_slope() -> None:
    method = Uncertainty(NAMES)
    method.after_step(LOSSES, PRESENT)
    assert method.log_variances.grad is not None
    assert method.log_variances.grad.tolist() == pytest.approx([0.25, 0, -0.5])


def test_it_moves_at_a_rate_of_its_own_to_where_variances_are_losses() -> None:
    method = Uncertainty(NAMES)
    method.after_step(LOSSES, PRESENT)
    assert method.log_variances.tolist() == pytest.approx([-0.01, 0, 0.01])
    for _ in range(600):
        method.after_step(LOSSES, PRESENT)
    assert method.log_variances.exp().tolist() == pytest.approx(LOSSES.tolist(), rel=0.05)


def test_a_task_without_rows_has_no_slope() -> None:
    method = Uncertainty(NAMES)
    method.after_step(torch.tensor([0.0, 1, 2]), torch.tensor([False, True, True]))
    assert method.log_variances[0] == 0


def test_it_goes_on_from_its_state() -> None:
    method, resumed = Uncertainty(NAMES), Uncertainty(NAMES)
    for _ in range(3):
        method.after_step(LOSSES, PRESENT)
    resumed.load_state_dict(deepcopy(method.state_dict()))  # a checkpoint is a copy
    for one in (method, resumed):
        one.after_step(LOSSES / 2, PRESENT)
    assert torch.equal(resumed.weights(0, 0), method.weights(0, 0))
