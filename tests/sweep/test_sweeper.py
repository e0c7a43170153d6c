"""The staged sweeper as a user meets it: real command lines, their launchers, their folders."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlbench.records.record import ResultRecord, read_record

pytestmark = pytest.mark.slow

SLOW = os.environ.get("TLBENCH_SLOW_TESTS") == "1"
Command = Callable[..., subprocess.CompletedProcess[str]]
FAST = ("-m", "debug=fast")
GRID = (*FAST, "strategy=single,stilts,mtl", "target_task=rte,mrpc", "support_task=rte,mrpc")
VARYING = ("seconds", "training_seconds", "steps_reused", "instances_reused", "asked", "finished")


def records(folder: Path) -> dict[str, ResultRecord]:
    return {file.parent.name: read_record(file) for file in folder.glob("multirun/*/*/result.json")}


def trainings(folder: Path) -> int:
    """How many stages the jobs have begun to train, by their logs."""
    logs = (folder / "multirun").rglob("tlbench.log")
    return sum(log.read_text("utf-8").count(": training ") for log in logs)


def lasting(folder: Path) -> dict[str, dict[str, Any]]:
    """What must be the same however the jobs were run."""
    found = {name: dict(vars(record)) for name, record in records(folder).items()}
    for record in found.values():
        for name in VARYING:
            del record[name]
        for stage in record["stages"]:
            del stage["seconds"], stage["reused"]
    return found


def test_a_grid_by_each_launcher(command: Command, tmp_path: Path) -> None:
    ran = command(*GRID)
    assert ran.returncode == 0, ran.stderr
    assert "12 combinations: 4 impossible (support task = target task); 2 duplicate" in ran.stdout
    assert "5 stages: 0 reused, 5 to train in 2 waves of 3, 2" in ran.stdout
    basic = lasting(tmp_path)
    assert len(basic) == 6
    (tmp_path / "multirun").rename(tmp_path / "basic")
    ran = command(*GRID, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    assert ran.returncode == 0, ran.stderr
    assert lasting(tmp_path) == basic


def test_workers_keep_to_a_gpu_each(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers a GPU; no CUDA is needed to see where each would compute."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    (tmp_path / "placed.py").write_text(
        "import os, pathlib, time\n"
        "from tlbench.plan.strategies import single\n"
        "def place(experiment):\n"
        "    if 'loky' in open('/proc/self/cmdline').read():\n"
        "        gpu = os.environ['CUDA_VISIBLE_DEVICES']\n"
        "        pathlib.Path(f'{gpu}-{os.getpid()}').touch()\n"
        "        while len(list(pathlib.Path('.').glob('[57]-*'))) < 4:\n"
        "            time.sleep(0.1)\n"
        "    return single(experiment)\n"
    )
    ran = command(
        *FAST,
        "strategy.plan=placed.place",
        "seed=range(6)",
        "hydra/launcher=gpus",
        "hydra.launcher.n_jobs=4",
    )
    assert ran.returncode == 0, ran.stderr
    assert sorted(file.name[0] for file in tmp_path.glob("[57]-*")) == ["5", "5", "7", "7"]


def test_slurms_launcher_without_slurm(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs tlbench[slurm]")
    grid = (*FAST, "seed=0,1")
    assert command(*grid).returncode == 0
    basic = lasting(tmp_path)
    (tmp_path / "multirun").rename(tmp_path / "basic")
    ran = command(*grid, "hydra/launcher=submitit_local")
    assert ran.returncode == 0, ran.stderr
    assert lasting(tmp_path) == basic
    assert len(list(tmp_path.glob("multirun/adhoc/.submitit/*/*_result.pkl"))) == 2


def test_one_broken_task_fails_what_needs_it_until_it_is_mended(
    command: Command, tmp_path: Path
) -> None:
    tasks = tmp_path / "my_conf" / "target_task"
    tasks.mkdir(parents=True)
    (tmp_path / "rows.jsonl").write_text('{"text": "a film", "verdict": "good"}\n' * 64)
    definition = (
        "name: mine\nlabels: [bad, good]\nscore: [accuracy]\nmetrics: [accuracy]\n"
        "source: {format: jsonl, path: ., train: rows.jsonl, dev: rows.jsonl, text: [COLUMN], "
        "label: verdict}\n"
    )
    (tasks / "mine.yaml").write_text(definition.replace("COLUMN", "txt"))
    grid = (
        "--config-dir",
        "my_conf",
        *FAST,
        "strategy=single,stilts",
        "target_task=rte,mrpc",
        "support_task=mine",
    )
    ran = command(*grid)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("2 experiments failed")
    assert "failed: stilts rte<-mine s0: Change source.text" in ran.stdout
    states = sorted(record.status for record in records(tmp_path).values())
    assert states == ["done", "done", "failed", "failed"]
    (tasks / "mine.yaml").write_text(definition.replace("COLUMN", "text"))
    before = trainings(tmp_path)
    ran = command(*grid)
    assert ran.returncode == 0, ran.stderr
    assert "4 experiments: 2 with a record already" in ran.stdout
    assert trainings(tmp_path) - before == 3  # mine, and what starts from it
    assert "failed: " not in ran.stdout


def test_a_failed_job_has_its_traceback_in_its_own_log(command: Command, tmp_path: Path) -> None:
    ran = command(*FAST, "seed=0,1", "trainer.accelerator=mps")  # not there
    assert ran.returncode == 1
    for folder in records(tmp_path):
        log = (tmp_path / "multirun" / "adhoc" / folder / "tlbench.log").read_text()
        assert "Traceback" in log
        assert f"{folder}/tlbench.log" in ran.stdout.replace("\n", "")


def test_editing_conf_after_the_launch_changes_no_job(command: Command, tmp_path: Path) -> None:
    optim = tmp_path / "my_conf" / "optim"
    optim.mkdir(parents=True)
    text = "defaults: [adamw]\nlr: 0.5\n"
    (optim / "mine.yaml").write_text(text)
    arguments = ("--config-dir", "my_conf", *FAST, "optim=mine", "seed=range(4)")
    started = subprocess.Popen(
        [sys.executable, "-m", "tlbench", *arguments],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(tmp_path.glob("multirun/.store/.work/*.claim")) and started.poll() is None:
        time.sleep(0.05)
    (optim / "mine.yaml").write_text(text.replace("0.5", "0.25"))
    _, said = started.communicate(timeout=120)
    assert started.returncode == 0, said
    assert {record.config["optim"]["lr"] for record in records(tmp_path).values()} == {0.5}
    assert len(records(tmp_path)) == 4


@pytest.mark.parametrize("key", ["hydra.sweep.dir", "trainer.progress_bar"])
def test_what_the_sweep_itself_can_not_read_is_named(command: Command, key: str) -> None:
    ran = command(*FAST, key + "=${nope}", "seed=0,1")
    assert ran.returncode == 1
    assert ran.stderr == f"Change {key}: Interpolation key 'nope' not found\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("debug=fast", "hydra.sweeper.detach=true"), "Add -m, or leave out hydra.sweeper.detach="),
        ((*FAST, "seed=0,1", "hydra.sweeper.detach=true"), "Add hydra/launcher=slurm, or remove "),
    ],
)
def test_what_can_not_be_left_is_refused_in_one_sentence(
    command: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    ran = command(*arguments)
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert said in line
    assert not list(tmp_path.rglob("stage.json"))


def test_a_sweep_takes_the_options_that_its_dry_run_has_named(
    command: Command, tmp_path: Path
) -> None:
    """Also those of a folder that is not copied, which Hydra 1.4 lists and 1.3 does not."""
    (tmp_path / "more" / "optim").mkdir(parents=True)
    (tmp_path / "more" / "optim" / "mine.yaml").write_text("defaults: [adamw]\nlr: 0.5\n")
    sweep = (*FAST, f"hydra.searchpath=[file://{tmp_path / 'more'}]", "optim=glob(*,exclude=paper)")
    dry, ran = (command(*sweep, *more).stdout for more in (["hydra.sweeper.dry_run=true"], []))
    assert dry.splitlines()[0] == ran.splitlines()[0]


def test_a_dry_run_prints_the_plan_and_trains_nothing(command: Command, tmp_path: Path) -> None:
    dry = "hydra.sweeper.dry_run=true"
    ran = command(*GRID, dry)
    assert ran.returncode == 0, ran.stderr
    assert "5 stages: 0 reused, 5 to train" in ran.stdout
    assert "at most 320 rows to train and 640 to evaluate" in ran.stdout
    assert "time: not known before" in ran.stdout
    alone = ("debug=fast", "strategy=stilts", "support_task=mrpc")
    ran = command(*alone, dry)
    assert "stilts rte<-mrpc s0: 2 stages" in ran.stdout
    wrong = command(*alone, dry, "subsample_size.target=10000")
    assert (wrong.returncode, wrong.stderr.count("Change subsample_size.target: ")) == (1, 1)
    assert list((tmp_path / "multirun").rglob("result.json")) == []
    assert list((tmp_path / "multirun" / ".store").glob("*/stage.json")) == []
    assert command(*alone).returncode == 0
    ran = command(*GRID, dry)
    assert "5 stages: 2 reused, 3 to train" in ran.stdout
    assert "time: about 0:00:" in ran.stdout


@pytest.mark.parametrize("sweeps", [2, 8] if SLOW else [2])
def test_two_sweeps_at_once_train_each_stage_once(
    command: Command, tmp_path: Path, sweeps: int
) -> None:
    """They share a store and their experiments, and start at the same time."""
    studies = {f"study{i}": ("seed=0,1", "seed=1,0")[i % 2] for i in range(sweeps)}
    grid = (*FAST, "strategy=single,stilts", "support_task=mrpc")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tlbench", *grid, f"study={study}", seeds],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for study, seeds in studies.items()
    ]
    said = [process.communicate(timeout=200)[0] for process in started]
    assert {process.returncode for process in started} == {0}, said
    tables = {text[text.index("Scores on dev") : text.index("records: ")] for text in said}
    assert len(tables) == 1
    stages = list(tmp_path.glob("multirun/.store/*/stage.json"))
    assert trainings(tmp_path) == len(stages) == 6
    files = [list(tmp_path.glob(f"multirun/{study}/*/result.json")) for study in studies]
    scores = [{file.parent.name: read_record(file).score for file in found} for found in files]
    assert all(of_study == scores[0] for of_study in scores)
    assert len(scores[0]) == 4


def test_a_killed_worker_fails_alone_and_alone_is_run_again(
    command: Command, tmp_path: Path
) -> None:
    """joblib's launcher ends with its worker; the sweep goes on."""
    killer = tmp_path / "killer.py"
    killer.write_text(
        "import os, pathlib, signal, sys, time\n"
        "from tlbench.plan.strategies import single\n"
        "def kill(experiment):\n"
        "    if experiment.config.seed == 1 and 'loky' in open('/proc/self/cmdline').read():\n"
        "        while not list(pathlib.Path('multirun').rglob('result.json')):\n"
        "            time.sleep(0.1)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return single(experiment)\n"
    )
    sweep = (
        *FAST,
        "strategy.plan=killer.kill",
        "seed=0,1",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    )
    ran = command(*sweep)
    assert ran.returncode == 1
    assert "it left no record (" in ran.stdout
    states = {record.seed: record.status for record in records(tmp_path).values()}
    assert states == {0: "done", 1: "failed"}
    killer.write_text("from tlbench.plan.strategies import single as kill\n")
    ran = command(*sweep)
    assert ran.returncode == 0, ran.stderr
    assert "2 experiments: 1 with a record already" in ran.stdout


def test_a_job_that_exits_fails_alone_and_alone_is_run_again(
    command: Command, tmp_path: Path
) -> None:
    exiting = tmp_path / "exiting.py"
    exiting.write_text(
        "import sys\n"
        "from tlbench.plan.strategies import single\n"
        "def leave(experiment):\n"
        "    if experiment.config.seed == 1 and 'loky' in open('/proc/self/cmdline').read():\n"
        "        sys.exit(3)\n"
        "    return single(experiment)\n"
    )
    sweep = (
        *FAST,
        "strategy.plan=exiting.leave",
        "seed=0,1",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    )
    ran = command(*sweep)
    assert ran.returncode == 1
    assert "single rte s1: SystemExit: 3 (log: " in ran.stdout
    states = {record.seed: record.status for record in records(tmp_path).values()}
    assert states == {0: "done", 1: "failed"}
    exiting.write_text("from tlbench.plan.strategies import single as leave\n")
    ran = command(*sweep)
    assert ran.returncode == 0, ran.stderr
    assert "2 experiments: 1 with a record already" in ran.stdout
    assert {record.status for record in records(tmp_path).values()} == {"done"}
