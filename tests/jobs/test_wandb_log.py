import json
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import wandb

from tests.support.experiments import Run
from tlbench.jobs.loggers import RunInfo
from tlbench.jobs.wandb_log import WandbLog
from tlbench.records.record import read_record

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture
def wandb_run(run: Run, tmp_path: Path) -> Callable[..., Records]:
    """Run an experiment with an offline W&B run; what W&B's own reader finds in it, by type."""

    def go(*overrides: str) -> Records:
        folder = tmp_path / "wb"
        shutil.rmtree(folder, ignore_errors=True)
        run("logger=wandb", f"logger.wandb.save_dir={folder}", *overrides)
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
    found = wandb_run(*STILTS, "tags=[pilot]")
    (about,) = found["run"]
    assert about["run_group"] == "adhoc"
    assert about["job_type"] == "stilts"
    assert about["display_name"] == "stilts rte<-mnli s0"
    assert set(about["tags"]) == {"stilts", "rte", "mnli", "tiny", "pilot"}
    config = about["config"]["update"]
    assert config["target_task"]["source"]["name"] == "rte"  # resolved
    assert config["optim"]["lr"] == 1e-4
    assert "git_revision" in config
    assert set(config["suite"]["sources"]) == {"rte", "mnli"}
    assert "logger" not in config
    assert config["folder"] == ".../job"
    record = read_record(tmp_path / "job" / "result.json")
    assert config["stage_keys"] == record.stage_keys
    logged = {name for row in found["history"] for name in row["item"]}
    for curve in (
        "support/loss",
        "support/lr",
        "support/mnli/dev/accuracy",
        "target/loss",
        "support/mnli/dev_mismatched/accuracy",
        "target/rte/dev/accuracy",
        "target/rte/dev/loss",
        "target/rte/train/loss",
        "support/mnli/train/loss",
        "support/mnli/dev_mismatched/loss",
    ):
        assert curve in logged, curve
    assert summary(found)["score"] == pytest.approx(record.score)
    assert summary(found)["final/accuracy"] == pytest.approx(record.metrics["accuracy"])
    assert [record["exit_code"] for record in found["exit"]] == [0]


def test_curves_are_over_steps_and_the_summary_has_their_best(
    wandb_run: Callable[..., Records],
) -> None:
    metrics = "target_task.metrics=[accuracy,log_loss]"
    found = wandb_run(metrics, "optim.lr=1e-3", "trainer.max_steps=8", "eval_every=0.25")
    defined = {m.get("name", m.get("glob_name")): m for m in found["metric"]}
    assert defined["target/*"]["step_metric"] == "trainer/global_step"
    curves = {name: m for name, m in defined.items() if name.startswith("target/rte")}
    assert {m["step_metric"] for m in curves.values()} == {"trainer/global_step"}
    for name, best in (("accuracy", max), ("score", max), ("log_loss", min), ("loss", min)):
        curve = f"target/rte/dev/{name}"
        values = [row["item"][curve] for row in found["history"] if curve in row["item"]]
        assert len(set(values)) > 1 or best is max
        assert summary(found)[curve] == {best.__name__: best(values)}
    final = {"score", "score_dev", "score_cross_fit", "final/accuracy"}
    assert final <= set(summary(found))
    assert max(final) < min(name for name in summary(found) if "/dev/" in name)


@pytest.mark.slow
def test_a_run_does_not_say_whose_machine_it_was(
    wandb_run: Callable[..., Records], tmp_path: Path
) -> None:
    encoder = tmp_path / "enc"
    encoder.symlink_to(files("tlbench") / "assets" / "tiny")
    own = [f"encoder.name={encoder}", "logger.wandb.predictions=texts"]
    found = wandb_run(*own)
    (about,) = found["run"]
    config = about["config"]["update"]
    assert config["encoder"]["name"] == ".../enc"
    assert config["store_dir"] == ".../store"
    assert not {"environment", "output_raw"} & set(found)
    assert not [one for f in found["files"] for one in f["files"] if "media" not in one["path"]]
    del found["artifact"]  # they say where to upload a table from, which is not uploaded
    assert str(tmp_path) not in json.dumps(found)
    assert read_record(tmp_path / "job" / "result.json").config["encoder"]["name"] == str(encoder)
    found = wandb_run(*own, "logger.wandb.machine_info=true")
    assert found["environment"][0]["host"]
    assert found["run"][0]["config"]["update"]["encoder"]["name"] == str(encoder)


def test_test_scores_are_in_the_summary_and_in_no_curve(
    wandb_run: Callable[..., Records], run: Run
) -> None:
    found = wandb_run("suite.sources.rte.test=40")
    assert {name for name in summary(found) if name.startswith("test/")} == {
        "test/score",
        "test/accuracy",
        "test/majority_score",
        "test/collapsed",
        "test/rows",
    }
    assert summary(found)["test/rows"] == 40
    names = {name for row in found["history"] for name in row["item"]}
    assert not any("test" in name for name in names)


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
    assert not {"score", "final/matthews", "target/cola/dev/matthews"} & names
    assert "steps" in names
    if outcome == "undefined":
        assert summary(found)["undefined"] == "matthews"
        assert {"final/accuracy", "target/cola/dev/accuracy"} <= names
    assert [record["exit_code"] for record in found["exit"]] == [0]


@pytest.mark.slow
def test_a_reused_score_is_in_the_summary_too(wandb_run: Callable[..., Records]) -> None:
    trained, reused = wandb_run(*STILTS), wandb_run(*STILTS)
    assert reused["history"] == []
    assert summary(reused)["score"] == summary(trained)["score"]
    assert summary(reused)["instances"] == summary(trained)["instances"]


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
        run("logger=wandb", f"logger.wandb.save_dir={tmp_path / 'wb'}", f"seed={seed}")
    assert len(list((tmp_path / "wb").glob("wandb/offline-run-*"))) == 2


@pytest.mark.slow
def test_seeds_share_a_setting_and_others_have_another(
    wandb_run: Callable[..., Records],
) -> None:
    def setting(*overrides: str) -> str:
        (about,) = wandb_run(*STILTS, *overrides)["run"]
        found: str = about["config"]["update"]["setting"]
        return found

    first = setting("seed=0")
    assert first.startswith("rte-stilts-mnli-")
    assert setting("seed=1") == first
    assert setting("batch_size=8") != first


@pytest.fixture
def inits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What ``wandb.init`` is called with, where there is a login and no server."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setattr(wandb, "init", lambda **given: calls.append(given) or MagicMock())
    return calls


def open_and_close(folder: Path, failed: bool | None, mode: str = "online", **info: Any) -> None:
    """A job's run; with ``failed`` of None the job is killed."""
    job = RunInfo("a job", "study", "stage", (), {}, folder, **info)
    opened = WandbLog(job, save_dir=str(folder / "wb"), mode=mode)
    if failed is not None:
        opened.finish({}, failed)


def id_files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if file.is_file()]


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
    assert id_files(tmp_path / "job") == []
    assert id_files(tmp_path / "another") == ["wandb_run_id"]


def test_a_run_that_cant_be_resumed_has_a_new_id(
    inits: list[dict[str, Any]], tmp_path: Path
) -> None:
    for _ in range(2):
        open_and_close(tmp_path, None, mode="offline")
    assert inits[0]["id"] != inits[1]["id"]
    assert inits[0]["resume"] is None
    assert id_files(tmp_path) == []


def test_a_job_that_never_resumes_has_a_new_id(
    inits: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RESUME", "never")
    for _ in range(2):
        open_and_close(tmp_path, None)
    assert inits[0]["id"] != inits[1]["id"]
    assert inits[0]["resume"] == "never"


@pytest.mark.parametrize(("mode", "silent"), [("online", None), ("offline", True)])
def test_a_run_says_no_more_than_where_it_is(
    mode: str, silent: bool | None, inits: list[dict[str, Any]], tmp_path: Path
) -> None:
    open_and_close(tmp_path, failed=False, mode=mode)
    settings = inits[0]["settings"]
    assert settings.quiet
    assert settings.silent == bool(silent)
