"""What a dry run says beside the plan; tests/sweep/test_sweeper.py has the plan itself."""

import json
from pathlib import Path

import pytest

from tests.support.experiments import Compose, Run
from tests.support.sweeps import Sweep
from tlbench.jobs.dry_run import print_run
from tlbench.plan.build import build
from tlbench.plan.estimate import Work, estimated_seconds
from tlbench.plan.memory import memory_of
from tlbench.plan.schedule import Schedule
from tlbench.plan.train_stage import TRAINING_VERSION, TrainStage
from tlbench.store.integrity import write_sealed
from tlbench.sweep import dry_run


def test_stages_of_an_older_training_are_counted(
    run: Run, compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run()
    print_run(build(compose()))
    assert "older version" not in capsys.readouterr().out
    file = tmp_path / "store" / record.stage_keys[-1] / "stage.json"
    manifest = json.loads(file.read_text())
    del manifest["checksum"]
    manifest["fingerprint"]["training"] = TRAINING_VERSION - 1
    write_sealed(file, manifest)
    print_run(build(compose()))
    assert "1 stages in " in (said := capsys.readouterr().out)
    assert "are of an older version of tlbench" in said


def test_an_encoder_that_is_not_known_is_said_once_and_planned(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep("encoder.name=org/nowhere", "seed=0,1", "hydra.sweeper.dry_run=true")
    said = capsys.readouterr().out
    assert "2 stages: 0 reused, 2 to train" in said
    assert said.count("nothing of it can be trained yet: Change encoder (") == 1


def test_merges_are_counted_apart_as_they_train_nothing(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep("strategy=merge", "support_task=mnli", "seed=0,1", "hydra.sweeper.dry_run=true")
    said = capsys.readouterr().out
    assert "6 stages: 0 reused, 4 to train, 2 to merge in 2 waves of 4, 2" in said


def test_the_rows_of_every_task_and_split_are_looked_at(
    compose: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    print_run(build(compose("strategy=stilts", "support_task=mnli")))
    said = capsys.readouterr().out
    for split in ("mnli train", "mnli dev", "mnli dev_mismatched", "rte train", "rte dev"):
        assert said.count(f"  {split}: ") == 2


def test_weights_that_are_asked_for_later_are_to_train(
    run: Run, compose: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    run("keep_weights=none")
    print_run(build(compose()))
    assert "reused" in capsys.readouterr().out
    print_run(build(compose("keep_weights=all")))
    assert "to train" in capsys.readouterr().out


def test_memory_is_said_of_the_longest_row_that_there_is(
    compose: Compose, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = build(compose("batch_size=1000", "eval_batch_size=1"))
    print_run(experiment)
    (said,) = memories(capsys)
    stage = experiment.plan()[-1]
    assert isinstance(stage, TrainStage)
    full = memory_of(stage, on_gpu=False)  # of encoder.max_length
    assert full is not None
    assert 0.1 < said < full.total / 1e9 - 0.1


def test_memory_is_said_of_the_stage_of_a_sweep_that_takes_most(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ("batch_size=1000", "eval_batch_size=1", "seed=0", "hydra.sweeper.dry_run=true")
    sweep(*rows, "encoder.max_length=64")
    (longest,) = memories(capsys)
    sweep(*rows, "encoder.max_length=32,64,16")
    assert memories(capsys) == [longest]
    sweep(*rows, "encoder.name=org/nowhere")
    assert "memory: not known of an encoder of this family" in capsys.readouterr().out


def memories(capsys: pytest.CaptureFixture[str]) -> list[float]:
    lines = capsys.readouterr().out.splitlines()
    said = [line.split() for line in lines if line.startswith("memory: about ")]
    assert all(words[3:6] == ["GB", "a", "job"] for words in said)
    return [float(words[2]) for words in said]


def test_what_is_asked_of_slurm_and_expected_is_said(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the same unit; what a CPU has taken says nothing of a GPU."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")
    sweep()
    slurm = ("hydra/launcher=slurm", "seed=1,2", "hydra.sweeper.dry_run=true")
    sweep(*slurm, "hydra.launcher.cpus_per_task=3")
    said = capsys.readouterr().out
    assert "asked of Slurm: 2 jobs x 3 cores x 4:00:00: 24 core hours; expected: about 0.0" in said
    sweep(*slurm, "hydra.launcher.gpus_per_node=1")
    said = capsys.readouterr().out
    assert "same encoder that was trained on a GPU" in said
    assert "asked of Slurm: 2 jobs x 1 GPU x 4:00:00: 8 GPU hours; expected: not known" in said


@pytest.mark.parametrize(
    ("visible", "devices", "said"),
    [("", 1, None), ("", 2, "device hours"), ("0,1", 1, "GPU hours"), ("0,1", 2, "GPU hours")],
)
def test_device_hours_are_said_where_there_is_more_than_one_cpu(
    run: Run,
    compose: Compose,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    visible: str,
    devices: int,
    said: str | None,
) -> None:
    run()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    # debug=fast asks for a CPU
    plan = compose("seed=1", f"trainer.devices={devices}", "trainer.accelerator=auto")
    print_run(build(plan))
    (line,) = [one for one in capsys.readouterr().out.splitlines() if one.startswith("time: about")]
    assert line.endswith(said or "one job runs at a time")
    trained = [one for one in build(plan).plan() if isinstance(one, TrainStage)]
    seconds = estimated_seconds([Schedule.planned(one) for one in trained])
    assert seconds is not None
    if said:
        hours = float(line.rpartition(": ")[2].split()[0])
        assert hours == pytest.approx(sum(seconds) * devices / 3600, rel=0.01)


@pytest.mark.parametrize(
    ("grid", "dropped"),
    [
        (("strategy=mtl,chain", "strategy.tasks=[mnli,rte]"), "1 impossible (the target is in "),
        (("strategy=mtl,chain", "strategy.tasks=[qnli,qnli]"), "1 impossible (a task twice in st"),
        (
            ("strategy=mtl,chain", "strategy.tasks=[]"),
            "1 impossible (no strategy.tasks for a strategy that takes the",
        ),
        (("strategy=single,mtl", "support_task=rte"), "1 impossible (support task = target task)"),
        (("strategy=single,mtl", "support_task=none"), "1 impossible (no support task for a stra"),
    ],
)
def test_what_is_impossible_is_said_once_with_the_reason_that_fits(
    grid: tuple[str, ...], dropped: str, sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep("support_task=mnli", "seed=0", "hydra.sweeper.dry_run=true", *grid)
    said = capsys.readouterr().out
    assert f"2 combinations: {dropped}" in said
    assert said.count("impossible") == 1


def test_of_several_stages_a_slurm_job_it_is_said_how_many_and_how_long(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")
    asked = ("hydra/launcher=slurm", "hydra.launcher.stages_per_job=3", "seed=range(4)")
    study = (*asked, "strategy=stilts,single", "support_task=mrpc", "hydra.sweeper.dry_run=true")
    sweep(*study)
    said = capsys.readouterr().out
    assert (
        "hydra.launcher.stages_per_job=3: 12 stages in 5 Slurm jobs (waves of 3, 2); how long "
        "each takes is not known before that"
    ) in said
    assert "asked of Slurm: 5 jobs x 1 core x 4:00:00: 20 core hours" in said

    def seconds(works: list[Work], on_gpu: bool | None = None) -> list[float | None]:
        return [60.0] * len(works)

    monkeypatch.setattr(dry_run, "seconds_of_each", seconds)
    sweep(*study)
    assert (
        "12 stages in 5 Slurm jobs (waves of 3, 2); the longest takes about 1:00 if its stages do "
        "not slow each other, and 3:00 if each waits for the others"
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("launcher", "count"),
    [
        ({}, 1),
        ({"n_jobs": 3}, 3),
        ({"array_parallelism": 64, "stages_per_job": 1}, 64),
        ({"array_parallelism": 8, "stages_per_job": 4}, 32),
    ],
)
def test_how_many_jobs_run_at_a_time(launcher: dict[str, int], count: int) -> None:
    assert dry_run.jobs_at_once(launcher) == count


@pytest.mark.parametrize(
    ("words", "passes"), [(("perturb=sam",), 2), (("target_task=causes",), 3), ((), 1)]
)
def test_passes_are_said_where_a_row_is_several(
    compose: Compose, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], passes: int
) -> None:
    print_run(experiment := build(compose(*words)))
    (stage,) = experiment.plan()
    rows = Schedule.planned(stage).trained_rows  # type: ignore[arg-type]
    said = capsys.readouterr().out
    more = f", {passes * rows:,} passes through the encoder," if passes > 1 else ""
    assert f"at most {rows:,} rows to train{more} and " in said
