import csv
import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import wandb

from tests.support.experiments import Compose, Run
from tlbench.errors import UserError
from tlbench.jobs import loggers
from tlbench.jobs.job import run_experiment
from tlbench.plan.build import build
from tlbench.records.record import read_record
from tlbench.training.module import MultiTaskModule

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture
def wandb_run(run: Run, tmp_path: Path) -> Callable[..., Records]:
    """Run an experiment with an offline W&B run; what W&B's own reader finds in it, by type."""

    def go(*overrides: str) -> Records:
        folder = tmp_path / "wb"
        shutil.rmtree(folder, ignore_errors=True)
        run("logger=wandb", f"logger.save_dir={folder}", *overrides)
        (offline,) = folder.glob("wandb/offline-run-*")
        command = ["wandb", "leet", "inspect", "--json", str(offline)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found: Records = defaultdict(list)
        for record in map(json.loads, printed.splitlines()):
            found[record["type"]].append(record[record["type"]])
        return found

    return go


STILTS = ("strategy=stilts", "support_task=mnli", "optim.lr=1e-4")


def summary(found: Records) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for update in found["summary"]:
        merged |= update.get("update", {})
    return merged


def test_a_wandb_run_holds_config_names_curves_and_the_score(
    wandb_run: Callable[..., Records], tmp_path: Path
) -> None:
    found = wandb_run(*STILTS)
    (about,) = found["run"]
    assert about["run_group"] == "adhoc"
    assert about["job_type"] == "stilts"
    assert about["display_name"] == "stilts rte<-mnli s0"
    assert set(about["tags"]) == {"stilts", "rte", "mnli", "tiny"}
    config = about["config"]["update"]
    assert config["target_task"]["source"]["name"] == "rte"  # resolved
    assert config["optim"]["lr"] == 1e-4
    assert "git_revision" in config
    logged = {name for row in found["history"] for name in row["item"]}
    for curve in (
        "support/loss",
        "support/lr",
        "support/mnli/dev/accuracy",
        "target/loss",
        "support/mnli/dev_mismatched/accuracy",
        "target/rte/dev/accuracy",
    ):
        assert curve in logged, curve
    record = read_record(tmp_path / "job" / "result.json")
    assert summary(found)["score"] == pytest.approx(record.score)
    assert summary(found)["target/final/accuracy"] == pytest.approx(record.metrics["accuracy"])
    assert [record["exit_code"] for record in found["exit"]] == [0]


@pytest.mark.parametrize(
    ("overrides", "outcome"),
    [(("optim.lr=1e6",), "diverged"), (("target_task=cola", "subsample_size.dev=1"), "undefined")],
)
def test_what_is_not_defined_is_not_logged_and_the_summary_says_so(
    wandb_run: Callable[..., Records], overrides: tuple[str, ...], outcome: str
) -> None:
    found = wandb_run(*overrides)
    names = {*summary(found), *(name for row in found["history"] for name in row["item"])}
    assert summary(found)["outcome"] == outcome
    assert not {"score", "target/final/matthews", "target/cola/dev/matthews"} & names
    assert "steps" in names
    if outcome == "undefined":
        assert summary(found)["undefined"] == "matthews"
        assert {"target/final/accuracy", "target/cola/dev/accuracy"} <= names
    assert [record["exit_code"] for record in found["exit"]] == [0]


def test_a_reused_score_is_in_the_summary_too(wandb_run: Callable[..., Records]) -> None:
    trained, reused = wandb_run(*STILTS), wandb_run(*STILTS)
    assert reused["history"] == []
    assert summary(reused)["score"] == summary(trained)["score"]
    assert summary(reused)["instances"] == summary(trained)["instances"]


def test_a_stage_trained_alone_is_called_so(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = []
    monkeypatch.setattr(loggers, "open_log", lambda _, job: jobs.append(job) or loggers.NoLog())
    cfg = compose(*STILTS)
    cfg.only_stage = build(cfg).plan()[0].key
    run_experiment(cfg, tmp_path / "job", in_sweep=True)
    (job,) = jobs
    assert (job.title, job.kind) == ("stage mnli s0", "stage")
    assert job.tags == ("stage", "mnli", "tiny")


def test_a_failed_run_is_closed_as_failed(
    wandb_run: Callable[..., Records], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("cut off")

    monkeypatch.setattr("tlbench.training.train.train_stage", fail)
    with pytest.raises(RuntimeError, match="cut off"):
        wandb_run(*STILTS)
    assert wandb.run is None
    (offline,) = (tmp_path / "wb").glob("wandb/offline-run-*")
    command = ["wandb", "leet", "inspect", "--summary", "--json", str(offline)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(printed)["exit_code"] == 1


def test_one_run_per_job_in_one_process(run: Run, tmp_path: Path) -> None:
    for seed in range(2):
        run("logger=wandb", f"logger.save_dir={tmp_path / 'wb'}", f"seed={seed}")
    assert len(list((tmp_path / "wb").glob("wandb/offline-run-*"))) == 2


def test_seeds_share_a_cell_and_other_settings_have_another(
    wandb_run: Callable[..., Records],
) -> None:
    def cell(*overrides: str) -> str:
        (about,) = wandb_run(*STILTS, *overrides)["run"]
        found: str = about["config"]["update"]["cell"]
        return found

    first = cell("seed=0")
    assert first.startswith("rte-stilts-mnli-")
    assert cell("seed=1") == first
    assert cell("batch_size=8") != first


@pytest.fixture
def inits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``wandb.init`` is called with, where there is a login and no server."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "init", lambda **given: calls.append(given) or MagicMock())
    return calls


def open_and_close(folder: Path, failed: bool | None) -> None:
    """A job's run; with ``failed`` of None the job is killed."""
    job = loggers.RunInfo("a job", "study", "stage", (), {}, folder)
    opened = loggers.WandbLog("tlbench", None, str(folder), job)
    if failed is not None:
        opened.finish({}, failed)


def test_a_job_is_one_run_until_it_has_finished(
    inits: list[dict[str, Any]], tmp_path: Path
) -> None:
    for failed in (None, True, False, False):  # killed, failed, finished; run anew
        open_and_close(tmp_path / "job", failed)
    open_and_close(tmp_path / "another", None)
    first, *ids = [call["id"] for call in inits]
    assert {call["resume"] for call in inits} == {"allow"}
    assert ids[:2] == [first, first]
    assert len({first, *ids[2:]}) == 3
    assert list((tmp_path / "job").iterdir()) == []


@pytest.mark.parametrize("variable", ["WANDB_MODE=offline", "WANDB_SWEEP_ID=abc"])
def test_a_run_that_cant_be_resumed_or_is_an_agents_has_no_id_of_ours(
    variable: str, inits: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(*variable.split("="))
    open_and_close(tmp_path, None)
    assert inits[0]["id"] is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("mode", "silent"), [("online", False), ("offline", True)])
def test_a_run_says_no_more_than_where_it_is(
    mode: str,
    silent: bool,
    inits: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    open_and_close(tmp_path, failed=False)
    settings = inits[0]["settings"]
    assert (settings.quiet, settings.silent) == (True, silent)


@pytest.mark.parametrize(
    ("login", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "x" * 40}, "online"),
        ({"NETRC": "machine api.wandb.ai login user password secret"}, "online"),
        ({"NETRC": "machine example.org login user password secret"}, "offline"),
        ({"NETRC": "not a netrc file"}, "offline"),
    ],
)
def test_offline_where_there_is_no_login(
    login: dict[str, str], mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "NETRC", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in login.items():
        if name == "NETRC":
            (tmp_path / "netrc").write_text(value)
            value = str(tmp_path / "netrc")
        monkeypatch.setenv(name, value)
    assert loggers._mode() == mode


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
    failed = command("debug=fast", "logger.nothing=1", "logger=wandb", "seed=1")
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
    assert [file.name for file in (tmp_path / "job").iterdir()] == ["result.json"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["logger._target_=no.such"], "Change logger._target_: 'no.such' can't be imported."),
        (["logger._target_=os.nope"], "Change logger._target_: 'os.nope' can't be imported."),
        (["logger=csv", "+logger.x=1"], "Change logger: .*CsvLog got an unexpected keyword.* 'x'"),
    ],
)
def test_what_is_no_logger_is_one_sentence(run: Run, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        run(*overrides)
