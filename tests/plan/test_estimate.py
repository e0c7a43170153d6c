import pytest

from tests.support.experiments import Compose
from tlbench.plan.build import build
from tlbench.plan.estimate import work_of
from tlbench.plan.schedule import Schedule
from tlbench.plan.train_stage import TrainStage


def test_a_stage_that_trains_heads_alone_has_no_backward_pass_through_the_encoder(
    compose: Compose,
) -> None:
    probe, final = build(compose("strategy=lp_ft")).plan()
    assert isinstance(probe, TrainStage)
    schedule = Schedule.planned(probe)
    trained, evaluated = schedule.trained_rows, schedule.evaluated_rows
    assert trained > 0
    assert work_of(final).amount == pytest.approx(trained + evaluated / 3)
    assert work_of(probe).amount == pytest.approx((trained + evaluated) / 3)
