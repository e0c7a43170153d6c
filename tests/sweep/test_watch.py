"""Sweeps in this process whose launcher is a fake: jobs are what they leave on disk."""

import logging
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.experiments import Trained
from tests.support.sweeps import Sweep, found
from tlbench.errors import UserError
from tlbench.sweep import limits, watch
from tlbench.sweep.limits import OutOfTimeError

PAIR = ("strategy=single,stilts", "target_task=rte", "support_task=mrpc")
STAGES = ["mrpc", "rte", "rte<-mrpc"]


def test_in_a_log_every_job_that_ends_has_a_line(
    sweep: Sweep, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*PAIR)
    lines = [line for line in capsys.readouterr().err.splitlines() if " left: " in line]
    assert [line.split(",")[0] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"]
    assert re.fullmatch(r"3 of 3, 0:00 left: stilts rte<-mrpc s0 \S.* in [\d:]+", lines[2])


def test_a_log_is_never_silent_for_a_minute(
    sweep: Sweep,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    launcher: Any,
) -> None:
    assert watch.SILENT + watch.LOOK < 60
    monkeypatch.setattr(watch, "SILENT", 0.0)
    monkeypatch.setattr(watch, "LOOK", 0.01)
    launch = launcher.launch

    def slow(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        end = time.monotonic() + 20
        while "no job runs" not in (said := capsys.readouterr().err):
            assert time.monotonic() < end, said
            time.sleep(0.01)
        return launch(self, jobs, initial_job_idx)

    monkeypatch.setattr(launcher, "launch", slow)
    sweep()
    assert "0 of 1, ? left: single rte s0 (" in capsys.readouterr().err


@pytest.mark.slow
def test_after_the_first_failure_no_job_begins(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.errors["mrpc"] = RuntimeError("no memory")
    grid = (*PAIR, "seed=0,1", "hydra.sweeper.fail_fast=true")
    with pytest.raises(UserError) as raised:
        sweep(*grid)
    assert str(raised.value) == (
        "1 experiments failed and 1 were not run (hydra.sweeper.fail_fast=true); the same command "
        "again goes on with them where it was."
    )
    assert raised.value.exit_code == 1
    ran = [title for title in trained.titles if title != "mrpc"]
    statuses = {name: record.status for name, record in found(tmp_path).items()}
    assert sorted(statuses.values()) == ["done"] * len(ran) + ["failed"]
    assert "not run" in capsys.readouterr().out
    del trained.titles[:], trained.errors["mrpc"]
    assert {record.status for record in sweep(*grid).values()} == {"done"}
    assert sorted([*ran, *trained.titles]) == sorted(STAGES * 2)


def test_what_can_not_be_planned_fails_fast_too(sweep: Sweep, trained: Trained) -> None:
    grid = ("subsample_size.target=64,100000", "hydra.sweeper.fail_fast=true")
    with pytest.raises(UserError, match="1 experiments failed and 1 were not run"):
        sweep(*grid)
    assert trained.titles == []


def test_without_fail_fast_the_others_are_run(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    trained.errors["mrpc"] = RuntimeError("no memory")
    with pytest.raises(UserError, match="1 experiments failed; the same"):
        sweep(*PAIR)
    assert trained.titles == ["rte"]


def test_a_killed_job_ends_a_sweep_that_fails_fast(
    sweep: Sweep, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: Any
) -> None:
    """It leaves its file, which says that it runs, and the launcher breaks."""

    def broken(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        folder = next((tmp_path / "sweep").glob("rte-single-seed0-*"))
        said = '{"progress": {"phase": "loading"}, "seconds": 1.0, "has_ended": false}'
        (tmp_path / "sweep" / ".progress" / f"{folder.name}.json").write_text(said)
        raise RuntimeError("a worker was killed")

    monkeypatch.setattr(launcher, "launch", broken)
    with pytest.raises(UserError, match="1 experiments failed and 1 were not run"):
        sweep("seed=0,1", "hydra.sweeper.fail_fast=true")
    assert found(tmp_path)["single rte s0"].error == (
        "it left no record (RuntimeError: a worker was killed)"
    )


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, launcher: Any) -> Any:
    """Have the sweep's time pass while its first jobs are run; return the launcher's own method."""
    launch = launcher.launch
    current: list[limits.Limits] = []
    check = limits.Limits.check_time

    def watched(self: limits.Limits) -> None:
        current[:] = [self]
        check(self)

    def slow(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        done = launch(self, jobs, initial_job_idx)
        current[0]._began -= 8 * 3600
        return done

    monkeypatch.setattr(limits.Limits, "check_time", watched)
    monkeypatch.setattr(launcher, "launch", slow)
    return launch


@pytest.mark.slow
def test_when_its_time_is_used_up_a_sweep_ends_and_the_same_command_goes_on(
    sweep: Sweep,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    launcher: Any,
    late: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    grid = (*PAIR, "seed=0,1", "hydra.sweeper.max_hours=8")
    with pytest.raises(OutOfTimeError) as raised:
        sweep(*grid)
    assert raised.value.exit_code == 75
    assert str(raised.value) == (
        "hydra.sweeper.max_hours=8 is used up: 2 of 4 experiments are there; the same command "
        "again goes on where it was."
    )
    printed = capsys.readouterr()
    assert "max_hours=8 is used up: no further job begins" in printed.err
    assert {record.status for record in found(tmp_path).values()} == {"done"}
    assert sorted(trained.titles) == ["mrpc", "mrpc", "rte", "rte"]
    monkeypatch.setattr(launcher, "launch", late)
    assert len(sweep(*grid)) == 4
    assert sorted(trained.titles) == sorted(STAGES * 2)


@pytest.mark.usefixtures("late")
def test_a_sweep_that_is_done_in_its_last_moment_is_done(sweep: Sweep, trained: Trained) -> None:
    assert len(sweep("hydra.sweeper.max_hours=8")) == 1


def test_a_job_that_runs_then_stops_and_leaves_no_failure(
    sweep: Sweep, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process too, which goes on and says what is there."""
    check = limits.Limits.check_time

    def passed(self: limits.Limits) -> None:
        if trained.titles:  # its first stage has begun
            self._began = -1e9
        check(self)

    monkeypatch.setattr(limits.Limits, "check_time", passed)
    long = ("trainer.max_steps=100000", "trainer.max_epochs=100000", "eval_every=100000")
    with pytest.raises(OutOfTimeError, match="0 of 2 experiments are there"):
        sweep("seed=0,1", *long, "hydra.sweeper.max_hours=8")
    assert trained.titles == ["rte"]
    assert found(tmp_path) == {}
    assert len(list((tmp_path / "store" / ".work").glob("*/last.ckpt"))) == 1


@pytest.mark.parametrize("hours", ["0", "-1"])
def test_no_time_at_all_is_refused(sweep: Sweep, hours: str) -> None:
    with pytest.raises(UserError, match=r"Change hydra\.sweeper\.max_hours: "):
        sweep(f"hydra.sweeper.max_hours={hours}")


def test_a_dry_run_says_whether_the_time_is_likely_enough(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    dry = ("hydra.sweeper.dry_run=true", "hydra.sweeper.max_hours=8")
    sweep(*dry)
    assert "max_hours=8: whether it is enough is not known before that" in capsys.readouterr().out
    sweep()
    capsys.readouterr()
    sweep("seed=1", *dry)
    assert "max_hours=8 is likely enough: about " in capsys.readouterr().out
    sweep("seed=range(1,5)", *dry, "hydra.sweeper.max_hours=1e-9")
    assert "max_hours=1e-09 is likely too little: about " in capsys.readouterr().out


def test_hydras_launchers_do_not_list_their_jobs(sweep: Sweep, trained: Trained) -> None:
    sweep()
    name = "hydra._internal.core_plugins.basic_launcher"
    assert logging.getLogger(name).level == logging.WARNING


@pytest.mark.slow
def test_a_sweep_goes_on_though_its_progress_is_removed(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, launcher: Any, tmp_path: Path
) -> None:
    launch = launcher.launch

    def removing(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        shutil.rmtree(tmp_path / "sweep" / ".progress", ignore_errors=True)
        return launch(self, jobs, initial_job_idx)

    monkeypatch.setattr(launcher, "launch", removing)
    assert len(sweep(*PAIR)) == 2


@pytest.mark.parametrize("limit", ["fail_fast=true", "max_hours=8"])
def test_a_sweep_that_is_left_has_nobody_to_end_it(sweep: Sweep, limit: str) -> None:
    slurm = ("hydra/launcher=slurm", "hydra.sweeper.detach=true")
    name = limit.partition("=")[0]
    with pytest.raises(UserError, match=rf"Remove hydra\.sweeper\.detach=true or .*{name}: "):
        sweep(*slurm, f"hydra.sweeper.{limit}")
