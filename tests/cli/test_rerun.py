import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.records.test_record import record
from tests.support.experiments import Run, write_users_task
from tlbench.cli.rerun import _prepare, differences, main
from tlbench.records.record import ResultRecord, read_record

Command = Callable[..., subprocess.CompletedProcess[str]]
RERUN = "tlbench.cli.rerun"


def test_a_record_alone_gives_the_same_score_again(command: Command, tmp_path: Path) -> None:
    write_users_task(tmp_path, "accuracy")
    asked = (
        "--config-dir",
        "my_conf",
        "debug=fast",
        "strategy=mtl_all",
        "optim.lr=1e-3",
        "strategy.tasks=[mine,rte,cola]",
        "subsample_size.support=20",
    )
    ran = command(*asked)
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    record = json.loads(file.read_text())
    assert set(record["tasks"]) == {"mine", "rte", "cola"}
    del record["checksum"]  # for what is changed here
    record["versions"]["torch"] = "1.0"
    record["config"]["logger"] = {"csv": {"_target_": "tlbench.jobs.loggers.CsvLog"}}
    (tmp_path / "kept.json").write_text(json.dumps(record))
    # Nothing but the record and the rows is left.
    for name in ("my_conf", "multirun"):
        (tmp_path / name).rename(tmp_path / f"gone-{name}")
    again = command("kept.json", module=RERUN)
    assert again.returncode == 0, again.stderr
    assert f"score: {record['score']} then, {record['score']} now" in again.stdout
    assert "torch: 1.0 then, " in again.stdout
    assert "The score is the same." in again.stdout
    assert "cola+mine+rte s0: training as target" in again.stderr
    (file,) = (tmp_path / "multirun" / "rerun").glob("*/result.json")
    assert read_record(file).stage_keys == record["stage_keys"]
    assert not (tmp_path / "multirun" / ".store").exists()
    assert {path.name for path in (tmp_path / "multirun").iterdir()} == {"rerun"}


def test_a_finished_rerun_is_trained_again_and_an_interrupted_one_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = record(config={"seed": 0})
    store = _prepare(made) / "store"
    store.mkdir()
    assert (_prepare(made) / "store").exists()
    made.write(store.parent)
    assert not (_prepare(made) / "store").exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("subsample_size.dev=63", "The score is not the same: .*; what differs: stages"),
        ("seed=x", "Change seed: .*\nThe rerun has failed, as it says above"),
    ],
)
def test_another_score_or_a_failure_is_exit_code_1_and_a_sentence(
    run: Run,
    override: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run()
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["job", override]) == 1
    printed = capfd.readouterr().err
    assert re.search(said, printed)
    assert "Traceback" not in printed


TASK = {"labels": None, "score": ["mse"], "metrics": ["mse"], "source": {"format": "tsv"}}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (record(status="failed", error="x"), "Give another record: .* is of a failed job"),
        (record(), "Give another record: .* holds no config"),
        (record(config={"seed": 0}, tasks={"a": {**TASK, "name": "../../x"}}), "Change name"),
        (record(config={"seed": 0}, tasks={"a": {}}), "Change tasks.a.name"),
        (record(config={"seed": "${"}), "Give another record: its config can't be used"),
        (None, "is not a result record"),
    ],
)
def test_a_bad_record_is_one_sentence(
    made: ResultRecord | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if made:
        made.write(tmp_path)
    assert main([str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(said, line)
    assert not list(tmp_path.rglob("x.yaml"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ((), "score: diverged then, diverged now\n.*The score is the same"),
        (("optim.lr=1e-4",), "The score is not the same: diverged then, 0.* now"),
    ],
)
def test_a_record_that_has_diverged_can_be_run_again(
    run: Run,
    override: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run("optim.lr=1e6")
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["job", *override]) == (1 if override else 0)
    printed = capfd.readouterr()
    assert re.search(said, printed.out + printed.err, re.DOTALL)


def test_what_differs_is_named() -> None:
    old = record(versions={"a": "1", "b": "1"}, git_revision="abc", device="cpu")
    new = record(versions={"a": "1", "b": "2", "c": "3"}, git_revision=None, device="cpu")
    assert differences(old, new) == {
        "b": ("1", "2"),
        "c": (None, "3"),
        "git revision": ("abc", None),
    }
    assert differences(old, old) == {}


STAGE = {"title": "rte", "threads": 2, "devices": 1, "micro_batch_size": 4, "versions": {}}


def test_other_rows_are_named() -> None:
    old = record(digests={"rte": {"train": "a" * 64, "dev": "b" * 64}})
    new = record(digests={"rte": {"train": "a" * 64, "dev": "c" * 64}})
    assert differences(old, new) == {"rows of rte, dev": ("b" * 8, "c" * 8)}
    assert differences(record(), new) == {}


def test_what_differs_of_a_stages_conditions_is_named() -> None:
    old = record(stages=[{**STAGE, "title": "mnli"}, STAGE], encoder_identity="sha256:a")
    now = [{**STAGE, "title": "mnli", "threads": 1}, {**STAGE, "versions": {"torch": "3"}}]
    new = record(stages=now, encoder_identity="sha256:b")
    assert differences(old, new) == {
        "mnli: threads": (2, 1),
        "rte: torch": (None, "3"),
        "encoder files": ("sha256:a", "sha256:b"),
    }


def test_a_rerun_takes_over_the_conditions_of_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = {"seed": 0, "trainer": {"devices": "auto"}, "encoder": {"identity": "sha256:a"}}
    made = record(config=config, stages=[STAGE], encoder_identity="sha256:a")
    told = OmegaConf.load(_prepare(made) / "conf" / "record.yaml")
    assert told.trainer == {"devices": 1, "threads": 2}
    assert told.micro_batch_size == 4
    assert told.encoder.identity is None  # found out again, and compared
    made = record(config=config, stages=[STAGE], encoder_identity="commit:" + "a" * 40)
    told = OmegaConf.load(_prepare(made) / "conf" / "record.yaml")
    assert told.encoder == {"identity": None, "revision": "a" * 40}
