import re
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_integrity import flip
from tests.support.experiments import Trained
from tests.support.sweeps import Sweep, found
from tlbench.analysis import collect, verdict
from tlbench.errors import UserError
from tlbench.records.record import read_record

PAIR = ("strategy=single,stilts,mtl", "target_task=rte,mrpc", "support_task=rte,mrpc")
STAGES = ["rte", "mrpc", "mrpc+rte", "rte<-mrpc", "mrpc<-rte"]


def test_every_stage_is_trained_once_and_every_experiment_recorded(
    sweep: Sweep, trained: Trained
) -> None:
    records = sweep(*PAIR)
    assert sorted(trained.titles) == sorted(STAGES)
    assert set(trained.titles[:3]) == set(STAGES[:3])
    assert len(records) == 6
    assert {record.status for record in records.values()} == {"done"}
    one, other = records["mtl rte<-mrpc s0"], records["mtl mrpc<-rte s0"]
    assert one.stage_keys == other.stage_keys
    assert sorted(r.instances_reused for r in (one, other)) == [0, one.instances]


@pytest.mark.slow
def test_the_same_again_does_nothing(
    sweep: Sweep, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sweep(*PAIR)
    first = capsys.readouterr().out
    del trained.titles[:]
    assert sweep(*PAIR) == before
    assert trained.titles == []
    again = capsys.readouterr().out
    assert "6 with a record already" in again
    assert table(first) == table(again)


def table(printed: str) -> str:
    return printed[printed.index("Scores on dev") : printed.index("Experiments of this sweep")]


@pytest.mark.slow
def test_a_record_whose_stages_are_there_needs_no_job(
    sweep: Sweep, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: Any
) -> None:
    before = sweep(*PAIR)
    for file in (tmp_path / "sweep").rglob("result.json"):
        file.unlink()
    monkeypatch.setattr(launcher, "launch", None)
    after = sweep(*PAIR)
    assert {k: r.score for k, r in after.items()} == {k: r.score for k, r in before.items()}
    assert {k: r.config for k, r in after.items()} == {k: r.config for k, r in before.items()}


@pytest.mark.slow
def test_a_failure_stops_only_what_needs_it_and_is_mended_by_the_same_command(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.errors["mrpc"] = RuntimeError("no memory")
    with pytest.raises(UserError, match="2 experiments failed; the same command"):
        sweep(*PAIR)
    failed = {name: r.error for name, r in found(tmp_path).items() if r.status == "failed"}
    assert failed == {
        "single mrpc s0": "RuntimeError: no memory",
        "stilts rte<-mrpc s0": "stage mrpc failed: RuntimeError: no memory",
    }
    printed = capsys.readouterr().out.replace("\n", "")
    assert (
        "failed: stilts rte<-mrpc s0: stage mrpc failed: RuntimeError: no memory (log: " in printed
    )
    del trained.titles[:], trained.errors["mrpc"]
    assert {r.status for r in sweep(*PAIR).values()} == {"done"}
    assert trained.titles == ["mrpc", "rte<-mrpc"]


@pytest.mark.slow
def test_a_stage_that_is_no_experiments_leaves_no_record(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    grid = ("strategy=stilts", "target_task=rte,cola", "support_task=mrpc")
    trained.errors["mrpc"] = ValueError("odd rows")
    with pytest.raises(UserError, match="2 experiments failed"):
        sweep(*grid)
    (folder,) = (tmp_path / "sweep" / "stages").iterdir()
    assert not (folder / "result.json").exists()
    assert read_record(folder / "failed.json").error == "ValueError: odd rows"
    trained.errors.clear()
    assert len(sweep(*grid)) == 2
    assert trained.titles == ["mrpc", "rte<-mrpc", "cola<-mrpc"]


@pytest.mark.slow
def test_keep_weights_none_trains_no_stage_twice(sweep: Sweep, trained: Trained) -> None:
    assert len(sweep(*PAIR, "keep_weights=none")) == 6
    assert sorted(trained.titles) == sorted(STAGES)


@pytest.mark.slow
def test_an_exit_is_a_failure_and_ctrl_c_the_end(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    trained.errors["mrpc"] = SystemExit(3)
    with pytest.raises(UserError, match="2 experiments failed"):
        sweep(*PAIR)
    assert found(tmp_path)["single mrpc s0"].error == "SystemExit: 3"
    assert found(tmp_path)["mtl rte<-mrpc s0"].status == "done"
    trained.errors["mrpc"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        sweep(*PAIR)
    assert "single mrpc s0" not in found(tmp_path)


def test_after_a_launcher_error_what_has_no_record_is_launched_once_more(
    sweep: Sweep, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: Any
) -> None:
    launch, calls = launcher.launch, []

    def fragile(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        calls.append(len(jobs))
        if len(calls) == 1:
            launch(self, jobs[:1], initial_job_idx)
            raise RuntimeError("a worker was killed")
        return launch(self, jobs, initial_job_idx)

    monkeypatch.setattr(launcher, "launch", fragile)
    assert len(sweep("seed=0,1,2")) == 3
    assert calls == [3, 2]
    assert trained.titles == ["rte"] * 3


def test_a_job_that_never_leaves_a_record_is_failed(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: Any
) -> None:
    def broken(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        raise RuntimeError("no worker")

    monkeypatch.setattr(launcher, "launch", broken)
    with pytest.raises(UserError, match="1 experiments failed"):
        sweep()
    assert found(tmp_path)["single rte s0"].error == "it left no record (RuntimeError: no worker)"


def test_what_can_not_be_planned_fails_alone(sweep: Sweep, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 experiments failed"):
        sweep("subsample_size.target=64,100000")
    assert sorted(r.status for r in found_all(tmp_path)) == ["done", "failed"]


def found_all(tmp_path: Path) -> list[Any]:
    return [read_record(file) for file in (tmp_path / "sweep").rglob("result.json")]


def test_a_sweep_without_a_possible_combination_says_why(sweep: Sweep) -> None:
    with pytest.raises(UserError, match="Add support_task=<task>: strategy=mtl needs one"):
        sweep("strategy=mtl", "seed=0,1")
    with pytest.raises(UserError, match="'rte' is the target task already"):
        sweep("strategy=mtl", "support_task=rte", "seed=0,1")


def test_jobs_go_to_the_launcher_in_batches(
    sweep: Sweep, trained: Trained, monkeypatch: pytest.MonkeyPatch, launcher: Any
) -> None:
    launch, calls = launcher.launch, []

    def watched(self: Any, jobs: Any, initial_job_idx: int) -> Any:
        calls.append((len(jobs), initial_job_idx))
        return launch(self, jobs, initial_job_idx)

    monkeypatch.setattr(launcher, "launch", watched)
    sweep("seed=range(3)", "hydra.sweeper.max_batch_size=2")
    assert calls == [(2, 0), (1, 2)]


@pytest.mark.slow
def test_what_has_diverged_or_is_undefined_is_shown_and_is_no_failure(
    sweep: Sweep, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = (
        "target_task=rte,cola",
        "strategy=single,stilts",
        "support_task=mrpc",
        "optim.lr=1e-12,1e6",
        "subsample_size.dev=1",
    )
    for already in (0, 8):
        sweep(*grid)
        printed = capsys.readouterr().out
        assert f"8 experiments: {already} with a record already" in printed
        words = printed.replace("\n", " ")
        assert "diverged: stilts cola<-mrpc s0: it needs mrpc, which has diverged" in words
        assert "diverged: single rte s0: after step 2 of 4" in words
        assert "undefined: single cola s0: matthews is not defined where all" in words
        assert "of them without a score" in words
        assert {"1 undefined", "1 diverged"} <= set(re.findall(r"1 \w+d\b", table(printed)))
    assert trained.titles.count("rte<-mrpc") == trained.titles.count("cola<-mrpc") == 1


@pytest.mark.slow
def test_a_damaged_record_is_written_again_and_nothing_trained(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    before = sweep(*PAIR)
    del trained.titles[:]
    file = min((tmp_path / "sweep").rglob("result.json"))
    flip(file)
    after = sweep(*PAIR)
    assert trained.titles == []
    assert {k: r.score for k, r in after.items()} == {k: r.score for k, r in before.items()}
    assert len(list((file.parent / ".damaged").iterdir())) == 1


@pytest.mark.slow
def test_a_damaged_stage_is_trained_again_alone(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*PAIR)
    del trained.titles[:]
    for file in (tmp_path / "sweep").rglob("result.json"):
        file.unlink()
    for file in (tmp_path / "store").glob("*/stage.json"):
        if '"title": "mrpc+rte"' in file.read_text():
            flip(file)
    assert len(sweep(*PAIR)) == 6
    assert trained.titles == ["mrpc+rte"]


@pytest.mark.slow
def test_a_candidate_that_is_asked_for_later_is_a_batch_of_its_own(
    sweep: Sweep, tmp_path: Path
) -> None:
    pair = ("target_task=rte", "support_task=mrpc", "seed=0,1")
    before = sweep(*pair, "strategy=single,stilts")
    assert len({record.asked for record in before.values()}) == 1
    after = sweep(*pair, "strategy=single,stilts,mtl")
    assert {name: after[name].asked for name in before} == {n: r.asked for n, r in before.items()}
    (one,) = verdict(collect([tmp_path / "sweep"]))
    assert {c.strategy: c.batch for c in one.candidates} == {"single": 0, "stilts": 0, "mtl": 1}
    # Whatever is removed and found in the store again, it was asked for when it was.
    for file in (tmp_path / "sweep").rglob("result.json"):
        file.unlink()
    again = sweep(*pair, "strategy=single,stilts,mtl")
    assert {n: r.asked for n, r in again.items()} == {n: r.asked for n, r in after.items()}
