"""An experiment from Python."""

import logging
from pathlib import Path

import pytest

import tlbench
from tests.support.experiments import write_users_task
from tlbench.errors import UserError
from tlbench.records.record import read_record

SMALL = ("debug=fast", "logger=none")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_gives_the_record_that_the_command_would_leave(
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = tlbench.run([*SMALL, "target_task=rte", "seed=1"])
    assert (record.status, record.target_task, record.seed) == ("done", "rte", 1)
    (file,) = Path("multirun").rglob("result.json")
    assert read_record(file) == record
    assert tlbench.run([*SMALL, "target_task=rte", "seed=1"]).stages == record.stages
    assert capsys.readouterr().out == ""


def test_a_task_of_ones_own_is_in_a_config_folder(tmp_path: Path) -> None:
    write_users_task(tmp_path, "accuracy")
    own = ["target_task=mine", "subsample_size.target=null"]
    record = tlbench.run([*SMALL, *own], config_dir="my_conf")
    assert record.tasks["mine"]["labels"] == ["bad", "good"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["target_task=tre"], "Change target_task: there is no 'tre'"),
        (["target_task=rte", "strategy=mtl"], "Add support_task=<task>"),
        (["target_task=rte", "seed=0,1"], "Add -m to sweep over seed=0,1"),
        (["experiment=quickstart"], "Use the command line: this is a sweep"),
        (["hydra.mode=multirun"], "Use the command line: this is a sweep"),
        (["hydra.sweeper.dry_run=True"], "Use the command line: a dry run leaves no record"),
        (["hydra.sweeper.dry_run=true"], "Use the command line: a dry run leaves no record"),
        (["-m"], "Remove --multirun: tlbench.run takes overrides"),
    ],
)
def test_what_can_not_be_run_is_one_sentence(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        tlbench.run([*SMALL, *overrides])


def test_the_log_of_the_caller_is_as_it_was() -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    with pytest.raises(UserError):
        tlbench.run([*SMALL, "target_task=rte", "strategy=mtl"])
    assert (list(root.handlers), root.level) == before
