import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.experiments import Compose, Run
from tlbench.plan.build import build
from tlbench.plan.schedule import EvalSteps, Schedule
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
        ("strategy=mtl", "support_task=mnli", "perturb=sam", "trainer.max_steps=4"),
        ("target_task=causes", "trainer.max_steps=4"),  # each row is three sequences
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
    assert planned.passes == found["passes"]
    assert sorted(planned.evaluations) == [evaluation["step"] for evaluation in found["history"]]


@given(
    total=st.integers(1, 300),
    per_epoch=st.integers(1, 60),
    every=st.floats(1e-3, 20) | st.sampled_from([0.5, 0.25, 1.5, 1.0, 1 / 3]),
)
def test_evaluations_are_those_that_a_list_would_have(
    total: int, per_epoch: int, every: float
) -> None:
    steps = EvalSteps(total, per_epoch, every)
    number = math.ceil(total / (every * per_epoch))
    due = {max(1, round(i * every * per_epoch)) for i in range(1, number + 1)}
    listed = sorted({step for step in due if step < total} | {total})
    assert list(steps) == listed
    assert len(steps) == len(listed)
    assert [step for step in range(-1, total + 2) if step in steps] == listed


def test_as_many_as_no_memory_holds_are_counted() -> None:
    steps = EvalSteps(10**15, 10**6, 1e-6)
    assert len(steps) == 10**15
    assert 12345 in steps
    assert len(EvalSteps(10**15, 10**6, 0.5)) == 2 * 10**9
