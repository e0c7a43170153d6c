import pytest

from tests.support.experiments import Compose, Run
from tlbench.plan.build import build
from tlbench.plan.estimate import seconds_of_each, work_of
from tlbench.plan.schedule import Schedule
from tlbench.plan.train_stage import TrainStage
from tlbench.store.store import Store


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


def test_a_row_of_choices_is_as_much_work_as_it_has_sequences(run: Run, compose: Compose) -> None:
    """Planned and done alike, so that the speed of one tells how long another takes."""
    choices, classes = ("target_task=causes",), ("target_task=rte",)
    (stage,) = build(compose(*choices)).plan()
    schedule = Schedule.planned(stage)
    trained, evaluated = schedule.trained_rows, schedule.evaluated_rows
    assert work_of(stage).amount == pytest.approx(3 * (trained + evaluated / 3))
    run(*choices)
    (found,) = Store(stage.config.store_dir).stages()
    (other,) = build(compose(*classes)).plan()
    (seconds,) = seconds_of_each([work_of(other)])
    per_sequence = found["seconds"] / work_of(stage).amount
    assert seconds == pytest.approx(work_of(other).amount * per_sequence, rel=1e-2)
