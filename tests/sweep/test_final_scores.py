"""Test rows in a multirun: scored by the job that trains, or by a job that trains nothing."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import Trained, watch_scoring
from tests.support.sweeps import Sweep
from tlbench.errors import UserError
from tlbench.records.record import ResultRecord

PAIR = ("strategy=single,stilts,mtl", "target_task=rte,mrpc", "support_task=rte,mrpc")
TESTS = ("suite.sources.rte.test=40", "suite.sources.mrpc.test=30")
STAGES = ["rte", "mrpc", "mrpc+rte", "rte<-mrpc", "mrpc<-rte"]


@pytest.mark.slow
def test_every_experiment_is_scored_once(
    sweep: Sweep,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scored = watch_scoring(monkeypatch)
    records = sweep(*PAIR, *TESTS)
    printed = capsys.readouterr().out
    assert "6 experiments to score on their test rows" in printed
    assert sorted(trained.titles) == sorted(STAGES)
    assert sorted(scored) == sorted([*STAGES, "mrpc+rte"])
    rows = {name: (r.test or {})["rows"] for name, r in records.items()}
    assert set(rows.items()) == {(n, 40 if n.split()[1].startswith("rte") else 30) for n in rows}
    assert sweep(*PAIR, *TESTS) == records
    assert len(scored) == 6
    assert "to score" not in capsys.readouterr().out


@pytest.mark.slow
def test_rows_that_are_added_later_are_scored_and_nothing_trained_that_has_weights(
    sweep: Sweep, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    def costs(record: ResultRecord) -> tuple[float, ...]:
        return record.steps, record.steps_reused, record.instances_reused, record.training_seconds

    before = sweep("target_task=rte", "seed=0,1")
    del trained.titles[:]
    capsys.readouterr()
    sweep("target_task=rte", "seed=0,1", TESTS[0], "hydra.sweeper.dry_run=true")
    printed = capsys.readouterr().out
    assert "2 stages: 2 reused, 0 to train\n2 experiments to score on their test rows" in printed
    after = sweep("target_task=rte", "seed=0,1", TESTS[0])
    assert trained.titles == []
    assert all(record.test for record in after.values())
    assert {n: costs(r) for n, r in after.items()} == {n: costs(r) for n, r in before.items()}


@pytest.mark.slow
def test_weights_that_are_lacking_are_to_train(
    sweep: Sweep, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = ("strategy=mtl", "target_task=rte", "support_task=mrpc")
    sweep(*pair)
    capsys.readouterr()
    sweep(*pair, TESTS[0], "hydra.sweeper.dry_run=true")
    assert "1 stages: 0 reused, 1 to train in 1 waves of 1" in capsys.readouterr().out
    (record,) = sweep(*pair, TESTS[0]).values()
    assert trained.titles == ["mrpc+rte"] * 2
    assert (bool(record.test), record.instances_reused) == (True, 0)


def test_a_scoring_that_fails_is_said_and_done_by_the_same_command(
    sweep: Sweep,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("no such luck")

    with monkeypatch.context() as patch:
        patch.setattr("tlbench.training.final_scores.score_test", fails)
        with pytest.raises(UserError, match="1 experiments failed"):
            sweep("target_task=rte", TESTS[0])
    assert "failed: single rte s0: ValueError: no such luck" in capsys.readouterr().out
    (record,) = sweep("target_task=rte", TESTS[0]).values()
    assert record.test is not None
    assert trained.titles == ["rte"]


def test_records_with_scores_need_no_store(sweep: Sweep, trained: Trained, tmp_path: Path) -> None:
    before = sweep("target_task=rte", TESTS[0])
    (tmp_path / "store").rename(tmp_path / "gone")
    assert sweep("target_task=rte", TESTS[0]) == before
    assert trained.titles == ["rte"]
