from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from tests.support.stepping import Stepper, batch
from tlbench.training.sam import SAM


class Bowl(nn.Module):
    """The loss x' diag(1, 10) x / 2."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
        self.at: list[list[float]] = []

    def __call__(self, _: Any) -> tuple[Tensor, list[Tensor]]:
        self.at.append(self.x.tolist())
        loss = (torch.tensor([1.0, 10.0]) * self.x**2).sum() / 2
        loss.backward()
        return loss.detach(), []


def test_golden() -> None:
    bowl = Bowl()
    loss, _ = SAM(cast(Any, bowl), bowl, rho=0.05)(cast(Any, None))
    assert bowl.x.grad is not None
    assert bowl.x.grad.tolist() == pytest.approx([1.002497, 20.499376], abs=1e-6)
    assert bowl.x.tolist() == [1.0, 2.0]
    assert float(loss) == 20.5
    assert bowl.at[1] == pytest.approx([1.002497, 2.0499376], abs=1e-6)


def test_the_weights_are_what_they_were_to_the_last_bit() -> None:
    stepper = Stepper("perturb=sam")
    before = {name: one.detach().clone() for name, one in stepper.model.named_parameters()}
    stepper.gradient(batch())
    assert all(torch.equal(one, before[name]) for name, one in stepper.model.named_parameters())


def test_a_smaller_rho_comes_near_the_gradient_at_the_weights() -> None:
    plain = Stepper().gradient(batch())
    gaps = []
    for rho in (0.05, 1e-5):
        near = Stepper("perturb=sam", f"perturb.rho={rho}").gradient(batch())
        gaps.append(sum(float((near[name] - value).norm()) for name, value in plain.items()))
    assert gaps[1] < gaps[0] / 100


def test_per_task_each_goes_its_own_way() -> None:
    """The gradient of each task's rows is what SAM makes of them alone; heads add up."""
    together = Stepper("perturb=sam", "perturb.per_task=true")
    found = together.gradient(batch())
    expected: dict[str, Tensor] = {}
    for _, rows in batch().by_task():
        for name, value in Stepper("perturb=sam").gradient(rows).items():
            expected[name] = expected.get(name, torch.zeros_like(value)) + value
    for name, value in found.items():
        assert torch.allclose(value, expected[name], atol=1e-6), name
    jointly = Stepper("perturb=sam").gradient(batch())
    assert any(not torch.allclose(jointly[name], value, atol=1e-6) for name, value in found.items())


def test_rows_go_through_twice() -> None:
    assert Stepper().balance.passes_a_row == 1
    assert Stepper("perturb=sam").balance.passes_a_row == 2
