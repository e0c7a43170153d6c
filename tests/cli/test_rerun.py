import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.records.test_record import record
from tests.support.experiments import Run, write_users_task
from tlbench.cli.rerun import main
from tlbench.records.record import ResultRecord, read_record

pytestmark = pytest.mark.slow

Command = Callable[..., subprocess.CompletedProcess[str]]
RERUN = "tlbench.cli.rerun"


def test_a_record_alone_gives_the_same_score_again(command: Command, tmp_path: Path) -> None:
    write_users_task(tmp_path, "accuracy")
    overrides = (
        "--config-dir",
        "my_conf",
        "debug=fast",
        "strategy=mtl_all",
        "optim.lr=1e-3",
        "strategy.tasks=[mine,rte,cola,mlm]",
        "subsample_size.support=20",
    )
    ran = command(*overrides)
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    record = json.loads(file.read_text())
    assert set(record["tasks"]) == {"mine", "rte", "cola", "mlm"}
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
    assert "cola+mine+mlm+rte s0: training as target" in again.stderr
    (file,) = (tmp_path / "multirun" / "rerun").glob("*/result.json")
    assert read_record(file).stage_keys == record["stage_keys"]
    assert not (tmp_path / "multirun" / ".store").exists()
    assert {path.name for path in (tmp_path / "multirun").iterdir()} == {"rerun"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("subsample_size.dev=63", "The score is not the same: .*; what differs: stages"),
        ("seed=x", "Change seed: .*\nThe rerun has failed, as it says above"),
    ],
)
def test_another_score_or_a_failure_is_exit_code_1_and_a_sentence(
    run: Run,
    override: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run()
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["job", override]) == 1
    printed = capfd.readouterr().err
    assert re.search(message, printed)
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        (0.0, 0, "test score: (?P<s>.*) then, (?P=s) now\n(.*\n)*The score is the same"),
        (0.1, 1, "The score is not the same: .*; of test rows .* then, .* now"),
    ],
)
def test_test_scores_are_compared_too(
    run: Run,
    changed: float,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    record = run("suite.sources.rte.test=40")
    assert record.test is not None
    record.test["score"] += changed
    record.write(tmp_path / "job")
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["job"]) == code
    printed = capfd.readouterr()
    assert re.search(message, printed.out + printed.err)


def test_rows_without_labels_get_the_same_ones_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    record = run("strategy=self_training", "target_task=rte", "support_task=unlabelled")
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["job"]) == 0
    assert "The score is the same" in capfd.readouterr().out
    (file,) = tmp_path.glob("multirun/rerun/*/result.json")
    again = read_record(file)
    assert again.stage_keys == record.stage_keys
    assert again.stages[1]["pseudo_labels"] == record.stages[1]["pseudo_labels"]


TASK = {"labels": None, "score": ["mse"], "metrics": ["mse"], "source": {"format": "tsv"}}


@pytest.mark.parametrize(
    ("bad_record", "message"),
    [
        (record(status="failed", error="x"), "Give another record: .* is of a failed job"),
        (record(), "Give another record: .* holds no config"),
        (record(config={"seed": 0}, tasks={"a": {**TASK, "name": "../../x"}}), "Change name"),
        (record(config={"seed": 0}, tasks={"a": {}}), "Change tasks.a.name"),
        (
            record(config={"seed": "${"}),
            r"Add --trust if .* asks for seed: \$\{, to be resolved here",
        ),
        (record(config={"hydra": {}}), "Give another record: its config is none .Change hydra:"),
        (record(config={"defaults": []}), "Give another record: .* .Change defaults: there is no"),
        (None, "is not a result record"),
    ],
)
def test_a_bad_record_is_one_sentence(
    bad_record: ResultRecord | None,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if bad_record:
        bad_record.write(tmp_path)
    assert main([str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line)
    assert not list(tmp_path.rglob("x.yaml"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ((), "score: diverged then, diverged now\n.*The score is the same"),
        (("optim.lr=1e-4",), "The score is not the same: diverged then, 0.* now"),
    ],
)
def test_a_record_that_has_diverged_can_be_run_again(
    run: Run,
    override: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run("optim.lr=1e6")
    monkeypatch.chdir(tmp_path)
    capfd.readouterr()
    assert main(["job", *override]) == (1 if override else 0)
    printed = capfd.readouterr()
    assert re.search(message, printed.out + printed.err, re.DOTALL)


def test_nothing_of_a_strangers_record_is_run_without_the_flag(
    command: Command, tmp_path: Path
) -> None:
    ran = command("debug=fast", "target_task=rte", "logger=none")
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "multirun" / "adhoc").glob("*/result.json")
    content = json.loads(file.read_text())
    del content["checksum"]
    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("open('harmed', 'w')\n")
    (package / "optimizers.py").write_text("from torch.optim import SGD\nclass Own(SGD): ...\n")
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "harm.py").write_text("open('harmed', 'w')\n")
    (tmp_path / "same.json").write_text(json.dumps(content))
    content["config"]["optim"]["optimizer"]["_target_"] = "theirs.optimizers.Own"
    (tmp_path / "other.json").write_text(json.dumps(content))
    again = command("same.json", module=RERUN)
    assert "The score is the same." in again.stdout, again.stderr
    assert not (tmp_path / "harmed").exists()  # though it lies in the current folder
    again = command("other.json", module=RERUN)
    assert again.returncode == 1
    (line,) = again.stderr.splitlines()
    assert "Add --trust" in line
    assert "optim.optimizer._target_=theirs.optimizers.Own" in line
    assert not (tmp_path / "harmed").exists()
    again = command("--trust", "other.json", module=RERUN)
    assert "score: " in again.stdout, again.stderr
    assert (tmp_path / "harmed").exists()
