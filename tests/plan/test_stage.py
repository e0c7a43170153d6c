"""A stage of a user's own, which is no training."""

import pickle
from pathlib import Path

import pytest

from tests.support.experiments import Compose, Run, Trained
from tests.support.sweeps import Sweep
from tlbench.errors import UserError
from tlbench.plan.build import build
from tlbench.records.record import ResultRecord
from tlbench.store.store import Store

PAIR = ("strategy=mtl", "support_task=mnli", "selection=dev")  # a last stage that chooses nothing
MEAN = (*PAIR, "strategy.plan=tests.support.own_stage.mean")


def is_the_mean(record: ResultRecord, alone: list[ResultRecord]) -> None:
    scores = [single.score for single in alone if single.score is not None]
    assert record.status == "done"
    assert record.score == pytest.approx(sum(scores) / 2)
    assert record.metrics == {"accuracy": record.score}
    assert [stage["title"] for stage in record.stages] == ["rte", "mnli", "mean(rte+mnli)"]
    # What it does not say took nothing, and is not known.
    assert record.steps == sum(single.steps for single in alone)
    assert record.collapsed is record.majority_score is None


def test_it_is_made_of_what_it_needs_once(run: Run, trained: Trained, tmp_path: Path) -> None:
    alone = [run(f"target_task={task}") for task in ("rte", "mnli")]
    record = run(*MEAN)
    is_the_mean(record, alone)
    manifest = Store(tmp_path / "store").find(record.stage_keys[-1])
    assert manifest is not None
    assert (manifest["weights"], manifest["history"], manifest["diverged"]) == ([], [], None)
    assert trained.titles == ["rte", "mnli"]
    assert run(*MEAN).score == record.score


@pytest.mark.slow
def test_it_is_made_in_a_sweep_after_what_it_needs(sweep: Sweep, trained: Trained) -> None:
    (record,) = sweep(*MEAN).values()
    alone = [r for r in sweep("target_task=rte,mnli").values() if r.strategy == "single"]
    assert sorted(trained.titles) == ["mnli", "rte"]
    is_the_mean(record, alone)


def test_one_that_needs_a_stage_that_has_diverged_is_diverged(run: Run) -> None:
    record = run(*MEAN, "optim.lr=1e6")
    assert record.status == "diverged"
    assert record.score is None
    assert "it needs rte, which has diverged" in str(record.error)


def test_it_goes_to_other_processes_as_it_is(compose: Compose) -> None:
    stage = build(compose(*MEAN)).plan()[-1]
    assert pickle.loads(pickle.dumps(stage)).key == stage.key


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        (
            "not_there",
            r"strategy.plan, or run of its stage mean\(\): '.*no_such' can't be imported",
        ),
        (
            "silent",
            "strategy.plan, or run .*own_stage.nothing returns no metrics of rte, score of",
        ),
        (
            "unfinished",
            "strategy.plan, or the class: the stage .*Unfinished lacks fingerprint, run",
        ),
        ("then_target", r"run of its stage mean.*: .*mean_score returns no weights of rte"),
    ],
)
def test_a_wrong_one_is_one_sentence(run: Run, strategy: str, reason: str) -> None:
    with pytest.raises(UserError, match=f"^Change .*{reason}"):
        run(*PAIR, f"strategy.plan=tests.support.own_stage.{strategy}")


def test_what_no_stage_can_be_made_by_is_refused_before_any_is_made(
    compose: Compose, trained: Trained
) -> None:
    with pytest.raises(UserError, match="no_such"):
        build(compose(*PAIR, "strategy.plan=tests.support.own_stage.not_there")).plan()
    assert trained.titles == []
