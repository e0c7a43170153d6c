import pytest

from tests.support.experiments import Compose, Run
from tlbench.plan.build import build
from tlbench.plan.schedule import Schedule
from tlbench.store.store import Store


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("trainer.max_steps=null", "trainer.max_epochs=2", "subsample_size.target=50"),
        ("strategy=mtl", "support_task=mnli", "trainer.max_steps=7"),
        ("strategy=mtl", "support_task=mnli", "trainer.max_steps=20", "sampling=annealed"),
        ("selection=held_out", "trainer.max_steps=6", "eval_every=1"),
    ],
)
def test_what_is_planned_is_what_is_trained(
    run: Run, compose: Compose, overrides: tuple[str, ...]
) -> None:
    (stage,) = build(compose(*overrides)).plan()
    planned = Schedule.planned(stage)
    run(*overrides)
    found = Store(stage.config.store_dir).find(stage.key)
    assert found is not None
    assert planned.steps == found["steps"]
    assert planned.trained_rows == found["instances"]
    assert sorted(planned.evaluations) == [evaluation["step"] for evaluation in found["history"]]
