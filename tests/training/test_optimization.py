import math
from typing import Any, get_args

import pytest
import torch

from tests.support.experiments import Compose
from tlbench.config.keys import declared
from tlbench.config.schema import Config, Encoder, Optim
from tlbench.errors import UserError
from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.build import build
from tlbench.training.optimization import StartWeights, make_optimizer, make_schedule

STEPS = 10


def optim(schedule: str, **options: Any) -> Optim:
    adam = {"_target_": "torch.optim.AdamW"}
    return Optim(1.0, 0.01, 0.2, schedule, None, adam, options)  # type: ignore[arg-type]


def rates(group: Optim) -> list[float]:
    """The learning rate at every step, from the first."""
    optimizer = make_optimizer(group, [torch.nn.Parameter(torch.ones(2))])
    schedule = make_schedule(group, optimizer, STEPS)
    found = []
    for _ in range(STEPS + 1):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def test_schedules_of_ours() -> None:
    expected = {"linear": [0, 0.5, 1, 0.5, 0], "cosine": [0, 0.5, 1, 0.5, 0]}
    expected["constant"] = [0, 0.5, 1, 1, 1]
    for schedule, values in expected.items():
        by_step = rates(optim(schedule))
        assert [by_step[step] for step in (0, 1, 2, 6, 10)] == pytest.approx(values)


@pytest.mark.parametrize(
    ("schedule", "options", "last"),
    [
        ("cosine_with_restarts", {"num_cycles": 2}, 0),
        ("polynomial", {"power": 2.0}, 1e-7),
        ("inverse_sqrt", {}, (2 / 10) ** 0.5),
        ("cosine_with_min_lr", {"min_lr": 0.1}, 0.1),
        ("warmup_stable_decay", {"num_decay_steps": 4}, 0),
    ],
)
def test_schedules_of_transformers(schedule: str, options: dict[str, Any], last: float) -> None:
    by_step = rates(optim(schedule, **options))
    assert by_step[:3] == pytest.approx([0, 0.5, 1])
    assert by_step[STEPS] == pytest.approx(last)


def test_every_schedule_that_may_be_chosen_can_be_made() -> None:
    needed = {"cosine_with_min_lr": {"min_lr": 0.0}}
    for schedule in get_args(declared(Config)["optim.schedule"].annotation):
        assert max(rates(optim(schedule, **needed.get(schedule, {})))) == pytest.approx(1)


@pytest.mark.parametrize("schedule", ["linear", "polynomial"])
def test_options_that_a_schedule_does_not_take(schedule: str) -> None:
    with pytest.raises(UserError, match=r"Change optim.schedule_options: "):
        rates(optim(schedule, nothing=1))


def test_weight_decay_spares_biases_and_norms(compose: Compose) -> None:
    config = build(compose()).config
    encoder = load_encoder(Encoder("package:tlbench/assets/tiny", None, False, None, 64))
    model = MultiTaskModel(encoder, [config.target_task], "per_task")
    optimizer = make_optimizer(config.optim, model.parameters())
    decayed, plain = optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2}
    assert {p.ndim for p in plain["params"]} == {1}
    assert math.isclose(optimizer.defaults["lr"], config.optim.lr)


def test_l2_sp_pulls_the_encoder_to_where_it_started() -> None:
    encoder = torch.nn.Linear(2, 1, bias=False)
    weights = StartWeights(encoder, 0.5)
    with torch.no_grad():
        encoder.weight.add_(torch.tensor([[1.0, -2.0]]))
    encoder.weight.grad = torch.ones(1, 2)
    weights.pull()
    assert encoder.weight.grad[0].tolist() == pytest.approx([1.5, 0.0], abs=1e-6)


def test_without_l2_sp_nothing_is_kept() -> None:
    encoder = torch.nn.Linear(2, 1)
    weights = StartWeights(encoder, None)
    encoder.weight.grad = torch.ones(1, 2)
    weights.pull()
    assert encoder.weight.grad.tolist() == [[1, 1]]
    assert not weights._pairs
