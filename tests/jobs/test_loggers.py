import csv
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import wandb
from pytorch_lightning.loggers import Logger

from tests.support.experiments import Compose, Run
from tlbench.errors import UserError
from tlbench.jobs import loggers
from tlbench.jobs.job import run_experiment
from tlbench.plan.build import build
from tlbench.training.module import MultiTaskModule

STILTS = ("strategy=stilts", "support_task=mnli", "optim.lr=1e-4")


def test_csv_of_a_job_that_was_cut_off_is_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def cut(self: MultiTaskModule, batch: Any, batch_idx: int) -> None:
        if self.global_step == 3:
            raise SystemExit
        training_step(self, batch, batch_idx)

    training_step = MultiTaskModule.training_step
    with monkeypatch.context() as patch:
        patch.setattr(MultiTaskModule, "training_step", cut)
        with pytest.raises(SystemExit):
            run("logger=csv")
    run("logger=csv")
    first, second = (
        [row["step"] for row in csv.DictReader((tmp_path / "job" / name).open())]
        for name in ("metrics-1.csv", "metrics.csv")
    )
    assert (first[0], second[0]) == ("0", "3")
    assert not [w for w in recwarn if "not empty" in str(w.message)]


@pytest.mark.slow
def test_no_key_and_no_environment_in_any_file(
    command: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = {"WANDB_API_KEY": "0123456789abcdef" * 2 + "deadbeef", "HF_TOKEN": "hf_notforyou"}
    for name, value in {**secrets, "MY_PASSWORD": "correct horse battery"}.items():
        monkeypatch.setenv(name, value)
    done = command("debug=fast", "logger=wandb")
    assert done.returncode == 0, done.stderr
    failed = command("debug=fast", "optim.optimizer.nothing=1", "logger=wandb", "seed=1")
    assert failed.returncode == 1
    files = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert any(file.name == "result.json" for file in files)
    printed = "".join(f"{ran.stdout}{ran.stderr}" for ran in (done, failed)).encode()
    for value in (*secrets.values(), "correct horse battery"):
        assert value.encode() not in printed
        assert not [file for file, content in files.items() if value.encode() in content]


def test_csv(run: Run, tmp_path: Path) -> None:
    record = run("logger=csv", *STILTS)
    with (tmp_path / "job" / "metrics.csv").open() as opened:
        rows = list(csv.DictReader(opened))
    assert any(row["support/mnli/dev/accuracy"] for row in rows)
    assert float(rows[-1]["score"]) == pytest.approx(record.score)


def test_tensorboard(run: Run, tmp_path: Path) -> None:
    run("logger=tensorboard", *STILTS)
    assert list((tmp_path / "job").glob("events.out.tfevents.*"))


def test_none(run: Run, tmp_path: Path) -> None:
    run("logger=none")
    names = sorted(file.name for file in (tmp_path / "job").iterdir())
    assert names == ["asked.txt", "result.json"]


@dataclass
class Seen:
    """What a logger of a user's gets."""

    hyperparameters: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)


SEEN = Seen()


class Mine(Logger):
    """Any logger of Lightning's."""

    def __init__(self, save_dir: str, colour: str = "red") -> None:
        super().__init__()
        self.folder, self.colour = save_dir, colour

    name = "mine"
    version = 0

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        SEEN.hyperparameters.append({**params, "folder": self.folder, "colour": self.colour})

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        SEEN.metrics |= metrics

    def finalize(self, status: str) -> None:
        SEEN.statuses.append(status)


class Unfinished(Logger):
    """A logger without its methods."""


class Broken(Mine):
    """A logger whose constructor fails."""

    def __init__(self, kind: str) -> None:
        raise {"value": ValueError, "server": ConnectionError}[kind]("nobody answers")


def called(path: str) -> None:
    Path(path).mkdir()


CALLED = "+logger.mine={{_target_: {}, path: called}}"
MINE = f"+logger.mine={{_target_: {__name__}.Mine, colour: blue}}"


def test_any_logger_of_lightnings_beside_another(run: Run, tmp_path: Path) -> None:
    vars(SEEN).update(vars(Seen()))
    record = run("logger=csv", MINE, "tags=[pilot]", *STILTS)
    (given,) = SEEN.hyperparameters
    assert (given["folder"], given["colour"]) == (str(tmp_path / "job"), "blue")
    assert given["optim"]["lr"] == 1e-4
    assert "pilot" in given["tags"]
    assert {"support/loss", "target/rte/dev/accuracy"} <= set(SEEN.metrics)
    assert SEEN.metrics["score"] == pytest.approx(record.score)
    assert SEEN.statuses[-1] == "success"
    assert (tmp_path / "job" / "metrics.csv").exists()


def test_two_options_of_the_group_are_both_used(run: Run, tmp_path: Path) -> None:
    run("logger=[csv,tensorboard]")
    assert (tmp_path / "job" / "metrics.csv").exists()
    assert list((tmp_path / "job").glob("events.out.tfevents.*"))


def test_loggers_of_lightnings_beside_our_wandb_have_runs_of_their_own(
    run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "wb"
    lightnings = "+logger.theirs={_target_: pytorch_lightning.loggers.WandbLogger, offline: true}"
    csvs = "+logger.file={_target_: pytorch_lightning.loggers.CSVLogger}"
    ours = ("logger=wandb", f"logger.wandb.save_dir={folder}")
    second = f"+logger.b={{_target_: tlbench.jobs.wandb_log.WandbLog, save_dir: '{folder}'}}"
    for seed in range(2):
        run(*ours, lightnings, second, csvs, f"seed={seed}")
    assert wandb.run is None
    assert len(list((tmp_path / "job" / "wandb").glob("offline-run-*"))) == 2
    assert len(list(folder.glob("wandb/offline-run-*"))) == 4
    assert len(list((tmp_path / "job" / "lightning_logs").glob("*/metrics.csv"))) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": "a/b"}, "Change logger.mine.project: 'a/b' has /"),
        ({"mode": "OFFLINE"}, "Change logger.mine.mode: 'OFFLINE' is none of"),
        ({"entity": "a b"}, "Change logger.mine.entity: 'a b' is not the name"),
        ({"_target_": "no.such"}, "Change logger.mine._target_: 'no.such' can't be imported"),
        ({"mode": "online", "save_dir": "/dev/null"}, None),  # may go well where the jobs run
    ],
)
def test_what_no_job_could_open_is_refused_before_a_sweeps_first(
    options: dict[str, str], said: str | None
) -> None:
    config = {"mine": {"_target_": "tlbench.jobs.wandb_log.WandbLog"} | options}
    if said is None:
        loggers.check_logs(config)
        return
    with pytest.raises(UserError, match=said):
        loggers.check_logs(config)


def test_a_stage_trained_alone_is_called_so(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[loggers.RunInfo] = []
    monkeypatch.setattr(
        loggers, "open_logs", lambda _, info: jobs.append(info) or loggers.JobLogs([])
    )
    cfg = compose(*STILTS)
    cfg.only_stage = build(cfg).plan()[0].key
    run_experiment(cfg, tmp_path / "job", in_sweep=True)
    (job,) = jobs
    assert (job.title, job.kind) == ("stage mnli s0", "stage")
    assert job.tags == ("stage", "mnli", "tiny")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["logger.wandb._target_=no.such"], "Change logger.wandb._target_: 'no.such' can't be imp"),
        (["logger.wandb._target_=os.nope"], "Change logger.wandb._target_: 'os.nope' is of Python"),
        (["+logger.csv.x=1"], "Change logger.csv: .*CsvLog' can't be made .*keyword.* 'x'"),
        (["+logger.mine={_target_: torch.pi}"], "Change logger.mine: .*not a callable"),
        (["+logger.mine={_target_: torch.add}"], "Change logger.mine: .*no signature found"),
        (
            [f"+logger.mine={{_target_: {__name__}.Unfinished}}"],
            "Change logger.mine._target_, or the class: .*Unfinished' lacks log_hyperparams, log_m",
        ),
        (
            [f"+logger.mine={{_target_: {__name__}.Broken, kind: value}}"],
            "Change logger.mine: .*Broken' can't be made .ValueError: nobody answers in test_logg",
        ),
        (
            [f"+logger.mine={{_target_: {__name__}.Broken, kind: server}}"],
            "Change logger.mine: .*Broken' can't be made .ConnectionError: nobody answers in test_",
        ),
        (
            ["+logger.mine={_target_: pytorch_lightning.loggers.CometLogger}"],
            "Change logger.mine: .*CometLogger' can't be made .ModuleNotFoundError: .*comet-ml",
        ),
        (
            ["+logger.mine={_target_: pytorch_lightning.loggers.NeptuneLogger}"],
            "Change logger.mine._target_: .*NeptuneLogger' can't be imported",
        ),
        (["+logger.project=x"], "Change logger.project: a logger is a mapping with its _target_"),
        (
            [CALLED.format(f"{__name__}.called")],
            "called' is no logger of Lightning's, and takes no",
        ),
        ([CALLED.format("os.mkdir")], "Change logger.mine._target_: 'os.mkdir' is of Python's own"),
        ([CALLED.format("torch.os.mkdir")], "_target_: 'torch.os.mkdir' is of Python's own libra"),
    ],
)
def test_what_is_no_logger_is_one_sentence(run: Run, overrides: list[str], said: str) -> None:
    option = "csv" if "csv" in overrides[0] else "wandb" if "wandb" in overrides[0] else "none"
    with pytest.raises(UserError, match=said):
        run(f"logger={option}", *overrides)
    assert not Path("called").exists()
