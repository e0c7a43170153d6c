import pytest
import torch

from tests.support.stepping import Stepper, batch
from tlbench.methods.uncertainty import Uncertainty


def test_without_a_method_of_weights_it_remembers_nothing() -> None:
    stepper = Stepper()
    stepper.gradient(batch())
    stepper.balance.after_step(batch(), stepper.losses)
    assert stepper.balance.weights() == stepper.balance.after_epoch() == {}
    assert stepper.balance.state_dict() == {}


def test_a_weighting_of_losses_scales_encoder_and_heads() -> None:
    plain = Stepper().gradient(batch())
    halved = Stepper("method=uncertainty").gradient(batch())  # all weights are a half at first
    assert all(torch.allclose(halved[name], value / 2, atol=1e-6) for name, value in plain.items())


def test_it_learns_of_the_mean_loss_of_every_task() -> None:
    stepper = Stepper("method=uncertainty")
    stepper.gradient(batch())
    stepper.balance.after_step(batch(), stepper.losses)
    method = stepper.balance.weighting
    assert isinstance(method, Uncertainty)
    assert method.log_variances.grad is not None
    means = [float(one.mean()) for one in stepper.losses[:3]]
    expected = [(1 - mean) / 2 for mean in means] + [0.0]
    assert method.log_variances.grad.tolist() == pytest.approx(expected, abs=1e-6)
    assert [*stepper.balance.weights()] == ["a/weight", "b/weight", "c/weight", "d/weight"]


def test_gradients_leave_their_cosines() -> None:
    stepper = Stepper("method=mgda")
    stepper.gradient(batch())
    stepper.balance.after_step(batch(), stepper.losses)
    assert [*stepper.balance.weights()] == ["a/weight", "b/weight", "c/weight"]
    assert [*stepper.balance.after_epoch()] == ["a+b/cosine", "a+c/cosine", "b+c/cosine"]


@pytest.mark.parametrize("method", ["uncertainty", "dwa", "nash_mtl"])
def test_it_goes_on_from_its_state(method: str) -> None:
    stepper, resumed = (Stepper(f"method={method}", "optim.lr=1e-3") for _ in range(2))
    for _ in range(2):
        stepper.gradient(batch())
        stepper.balance.after_step(batch(), stepper.losses)
        stepper.balance.after_epoch()
    resumed.balance.load_state_dict(stepper.balance.state_dict())
    for one in (stepper, resumed):
        one.gradient(batch())
    assert resumed.balance.weights() == stepper.balance.weights()
