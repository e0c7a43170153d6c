"""What a gradient method makes of a rule: TorchJD's, ours, or a user's."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.support.composing import compose_config
from tests.support.experiments import Compose
from tests.support.gradients import THREE, TWO, direction
from tlbench.errors import UserError
from tlbench.methods.base import make_method
from tlbench.methods.gradients import GradientMethod
from tlbench.plan.build import build

OURS = ("nash_mtl", "mgda", "cagrad", "upgrad")
TORCHJDS = ("pcgrad", "imtl_g", "aligned_mtl")


class Halves:
    """A rule of a user's."""

    def __call__(self, gramian: Tensor) -> Tensor:
        return torch.full((len(gramian),), 0.5)


def method(name: str) -> GradientMethod:
    found = make_method(compose_config(f"method={name}").method, ["a", "b", "c"])
    assert isinstance(found, GradientMethod)
    return found


def weights(name: str, gradients: Tensor, step: int = 0) -> Tensor:
    return method(name).weights(gradients @ gradients.T, seed=0, step=step)


@pytest.mark.parametrize(
    ("name", "gradients", "expected"),
    [
        ("pcgrad", TWO, (0.584795, 3.80117, 3.80117)),
        ("imtl_g", TWO, (0.076697, 1, 1)),
        ("imtl_g", THREE, (-0.029181, 0.2367, 0.587662)),
        ("aligned_mtl", TWO, (0.213279, 0.967333, 0.967333)),
        ("aligned_mtl", THREE, (0.129223, 0.170314, 0.340077)),
    ],
)
def test_golden_of_torchjds(name: str, gradients: Tensor, expected: tuple[float, ...]) -> None:
    assert (weights(name, gradients) @ gradients).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", OURS)
def test_what_the_config_names_is_the_rule(name: str) -> None:
    rule = method(name).rule
    assert (weights(name, THREE) @ THREE).tolist() == pytest.approx(direction(rule, THREE).tolist())


def test_pcgrad_draws_its_order_from_seed_and_step_alone() -> None:
    def found(step: int) -> list[float]:
        return [float(one) for one in weights("pcgrad", THREE, step)]

    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = [found(step) for step in range(12)]
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert [found(step) for step in range(12)] == first
    assert len({tuple(one) for one in first}) > 1


@pytest.mark.parametrize("name", [*OURS, *TORCHJDS])
def test_a_task_without_gradient_changes_nothing_for_the_others(name: str) -> None:
    with_zero = torch.cat([TWO[:1], torch.zeros(1, 3, dtype=torch.float64), TWO[1:]])
    found = weights(name, with_zero)
    assert found[1] == 1
    assert (found @ with_zero).tolist() == pytest.approx((weights(name, TWO) @ TWO).tolist())


@pytest.mark.parametrize("name", [*OURS, *TORCHJDS])
def test_of_one_task_nothing_but_the_length_changes(name: str) -> None:
    (found,) = weights(name, TWO[:1]).tolist()
    assert found > 0


def test_a_diverged_gradient_stays_one() -> None:
    broken = TWO.clone()
    broken[0, 0] = float("nan")
    assert weights("nash_mtl", broken).tolist() == [1, 1]


def test_the_loss_of_a_task_is_its_mean() -> None:
    assert method("mgda").row_weights([2, 0, 4]).tolist() == [0.5] * 2 + [0.25] * 4


def test_a_users_rule() -> None:
    config = {
        "name": "halves",
        "_target_": "tlbench.methods.gradients.GradientMethod",
        "rule": {"_target_": f"{__name__}.Halves"},
    }
    halves = make_method(config, ["a", "b"])
    assert isinstance(halves, GradientMethod)
    assert halves.weights(TWO @ TWO.T, 0, 0).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "Change method.rule._target_: 'None' can't be imported"),
        ({"_target_": "no.such"}, "Change method.rule._target_: 'no.such' can't be imported"),
        ({"_target_": f"{__name__}.Halves", "x": 1}, "Change method.rule: .*Halves' can't be made"),
        ({"_target_": "torch.Size"}, "Change method.rule._target_: 'torch.Size' makes nothing to"),
    ],
)
def test_a_wrong_rule_is_named(rule: dict[str, Any], message: str) -> None:
    config = {"_target_": "tlbench.methods.gradients.GradientMethod", "rule": rule}
    with pytest.raises(UserError, match=message):
        make_method(config, ["a", "b"])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampling.batches=homogeneous"], "Change sampling.batches, or method: batches of one ta"),
        (["sampling.batches=partition"], "Change sampling.batches, or method: batches of one task"),
        (["trainable=heads"], "Change trainable to all, or method: with trainable=heads the enco"),
        (["trainer.precision=16-mixed"], "Change trainer.precision: 16-mixed scales the gradients"),
    ],
)
def test_what_makes_no_sense_is_refused(
    compose: Compose, overrides: list[str], message: str
) -> None:
    asked = ("strategy=mtl", "target_task=rte", "support_task=mnli", "method=nash_mtl")
    with pytest.raises(UserError, match=message):
        build(compose(*asked, *overrides)).plan()
    build(compose("target_task=rte", "method=nash_mtl", *overrides)).plan()  # nothing is mixed


def test_without_torchjd_its_rules_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tlbench.methods.gradients.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^Change method, or install what PCGradWeighting is of: "):
        method("pcgrad")
    method("mgda")
