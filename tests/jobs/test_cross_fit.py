"""``selection=cross_fit`` from the store to the record: what is trained, and which score it has."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import Compose, Run, Trained
from tests.support.sweeps import Sweep
from tlbench.jobs.dry_run import print_run
from tlbench.jobs.job import run_experiment
from tlbench.plan.build import build
from tlbench.records.record import read_record
from tlbench.store.integrity import write_sealed
from tlbench.store.manifest import MANIFEST, read_manifest
from tlbench.store.store import Store

# Evaluations that differ, so that each half of dev chooses another one.
STSB = (
    "target_task=stsb",
    "subsample_size.target=100",
    "trainer.max_steps=14",
    "trainer.max_epochs=4",
    "optim.lr=1e-3",
    "eval_every=0.3",
)
CROSS_FIT = "selection=cross_fit"
BY_DEV = "selection=dev"
STILTS = ("strategy=stilts", "support_task=mrpc")
THEN_TARGET = "strategy.plan=tlbench.plan.strategies.mtl_then_target"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def make_older(store: Store) -> None:
    """Make all stages such as versions without cross-fitted scores have left."""
    for key in store.finished():
        manifest: Any = read_manifest(store.folder(key), key)
        del manifest["selections"]
        for entry in manifest["tasks"].values():
            del entry["cross_fit"]
        write_sealed(store.folder(key) / MANIFEST, manifest)


def test_one_training_gives_both_scores(run: Run, trained: Trained, store: Store) -> None:
    by_dev = run(*STSB, BY_DEV)
    crossed = run(*STSB, CROSS_FIT)
    assert trained.titles == ["stsb"]
    assert by_dev.scores_by_selection == crossed.scores_by_selection
    assert by_dev.score == by_dev.scores_by_selection["dev"]
    assert crossed.score == crossed.scores_by_selection["cross_fit"]
    assert crossed.score != by_dev.score
    (manifest,) = store.stages()
    entry = manifest["tasks"]["stsb"]
    assert (by_dev.metrics, crossed.metrics) == (entry["metrics"], entry["cross_fit"]["metrics"])
    assert crossed.metrics["spearman"] == crossed.score
    assert crossed.dev_rows == by_dev.dev_rows == 64


def test_rows_that_are_held_out_give_one_score(run: Run) -> None:
    record = run("selection=held_out")
    assert record.scores_by_selection == {"held_out": record.score}


def test_a_stage_of_an_older_version_is_used_as_it_is_by_dev(
    run: Run, trained: Trained, store: Store, tmp_path: Path
) -> None:
    first = run(*STSB, BY_DEV)
    make_older(store)
    (tmp_path / "job" / "result.json").unlink()
    again = run(*STSB, BY_DEV)
    assert trained.titles == ["stsb"]
    assert again.score == first.score
    assert again.scores_by_selection == {"dev": first.score, "cross_fit": None}


@pytest.mark.slow
def test_it_is_trained_again_for_its_cross_fitted_score(
    run: Run,
    trained: Trained,
    store: Store,
    compose: Compose,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    overrides = ("strategy=stilts", "support_task=mrpc", "keep_weights=all")
    run(*overrides)
    make_older(store)
    print_run(build(compose(*overrides, CROSS_FIT)))
    support, target = (line for line in capsys.readouterr().out.splitlines() if " rows, " in line)
    # The support's own score is not asked for, and its weights are there.
    assert support.endswith("reused")
    assert target.endswith("to train")
    record = run(*overrides, CROSS_FIT)
    assert trained.titles == ["mrpc", "rte<-mrpc", "rte<-mrpc"]
    assert record.score == record.scores_by_selection["cross_fit"]
    assert "trained again for its" not in caplog.text  # the score of dev is the same
    (manifest,) = (one for one in store.stages() if one["title"] == "rte<-mrpc")
    assert manifest["weights"] == ["rte"]
    run(*overrides, CROSS_FIT)
    assert len(trained.titles) == 3


def test_another_score_of_what_is_trained_again_is_said(
    run: Run, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    run()
    make_older(store)
    (key,) = store.finished()
    manifest: Any = read_manifest(store.folder(key), key)
    manifest["tasks"]["rte"]["score"] = 0.123
    write_sealed(store.folder(key) / MANIFEST, manifest)
    run(CROSS_FIT)
    assert "rte was trained again for its cross-fitted scores: 0.123 of rte then" in caplog.text


@pytest.mark.slow
def test_a_sweep_trains_it_again_once(
    sweep: Sweep, trained: Trained, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ("strategy=single,stilts", "target_task=rte", "support_task=mrpc")
    sweep(*grid, BY_DEV)
    make_older(store)
    del trained.titles[:]
    capsys.readouterr()
    both = ("selection=dev,cross_fit", *grid)
    sweep(*both)
    assert "3 stages: 1 reused, 2 to train" in capsys.readouterr().out
    assert sorted(trained.titles) == ["rte", "rte<-mrpc"]
    records = [read_record(file) for file in (tmp_path / "sweep").rglob("result.json")]
    crossed = [one for one in records if one.config["selection"] == "cross_fit"]
    assert len(crossed) == 2
    for one in crossed:
        assert (one.status, one.score) == ("done", one.scores_by_selection["cross_fit"])
    sweep(*both)
    assert len(trained.titles) == 2


def test_a_record_of_dev_in_the_same_folder_is_not_taken_for_it(
    compose: Compose, tmp_path: Path
) -> None:
    """As a user may have it, by ``hydra.run.dir``."""
    for selection in ("dev", "cross_fit"):
        run_experiment(compose(*STSB, f"selection={selection}"), tmp_path / "job", in_sweep=False)
        record = read_record(tmp_path / "job" / "result.json")
        assert record.config["selection"] == selection
        assert record.score == record.scores_by_selection[selection]


@pytest.mark.parametrize(
    ("overrides", "readers"),
    [
        (("strategy=mtl", "support_task=mrpc", THEN_TARGET), "weights of mrpc+rte:rte"),
        (("trainer.early_stopping=3",), "trainer.early_stopping of rte"),
    ],
)
def test_a_score_that_is_not_clean_is_said_in_log_and_record(
    run: Run, caplog: pytest.LogCaptureFixture, overrides: tuple[str, ...], readers: str
) -> None:
    said = "is not clean: all of the target's dev rows have decided more than the last choice: "
    assert run(*overrides, "selection=dev").dev_read_by == [readers]
    assert said not in caplog.text
    assert run(*overrides, CROSS_FIT).dev_read_by == [readers]
    assert f"{said}{readers}" in caplog.text


def test_a_clean_score_needs_no_words(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    assert run(*STILTS, CROSS_FIT).dev_read_by == []
    assert "clean" not in caplog.text


def test_what_has_diverged_is_no_score_and_not_trained_again(run: Run, trained: Trained) -> None:
    for overrides in (("optim.lr=1e6",), (*STILTS, "optim.lr=1e6")):
        records = [run(*overrides, CROSS_FIT) for _ in range(2)]
        assert [(one.status, one.score) for one in records] == [("diverged", None)] * 2
        assert records[0].scores_by_selection == {"dev": None, "cross_fit": None}
    assert trained.titles == ["rte", "mrpc"]
