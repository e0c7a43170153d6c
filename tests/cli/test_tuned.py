"""A tuned study as it is typed: rates that learn are chosen over one that can't."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.forked import Forks
from tlbench.analysis import collect
from tlbench.records.record import ResultRecord, read_record

Command = Callable[..., subprocess.CompletedProcess[str]]
NOTHING, LEARNS = 1e-9, 1e-3
STUDY = (
    "hydra/sweeper=tuned",
    f"hydra.sweeper.tune={{optim.lr: [{NOTHING}, {LEARNS}]}}",
    "debug=fast",
    "trainer.max_steps=200",
    "trainer.max_epochs=20",
    "eval_every=3",
    "batch_size=32",
    "subsample_size={target: 800, support: 200, dev: 100}",
    "target_task=sst2",
    "support_task=mrpc",
    "strategy=single,stilts,mtl",
    "study=alike",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, forks: Forks) -> Path:
    """Where the study has been run."""
    folder = tmp_path_factory.mktemp("tuned")
    ran = forks.run("tlbench", STUDY, folder)
    assert ran.returncode == 0, ran.stderr
    (folder / "said.txt").write_text(ran.stdout)
    return folder


def finals(folder: Path) -> dict[str, ResultRecord]:
    files = collect([folder / "multirun" / "alike"]).table.file
    return {record.strategy: record for record in map(read_record, map(Path, files))}


def test_a_dry_run_and_a_wrong_option(command: Command, tmp_path: Path) -> None:
    planned = command(*STUDY, "hydra.sweeper.dry_run=true")
    assert planned.returncode == 0, planned.stderr
    assert "8 trials and 3 runs of what they choose: 12 stages" in planned.stdout
    assert not (tmp_path / "multirun" / "alike").exists()
    wrong = command(*STUDY, "optim.lr=1")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == "Leave out optim.lr=1: hydra.sweeper.tune chooses optim.lr.\n"


@pytest.mark.slow
def test_a_rate_that_learns_is_chosen_for_each(folder: Path) -> None:
    records = finals(folder)
    assert {*records} == {"single", "stilts", "mtl"}
    for record in records.values():
        assert record.config["optim"]["lr"] == LEARNS
        scores = {(one["of"], one["chosen"]): one["held_out_score"] for one in record.tuning}
        assert all(scores[of, True] > scores[of, False] for of, _ in scores)
    assert records["stilts"].config["tuned"]["supports"] == {"mrpc": {"optim.lr": LEARNS}}
    said = (folder / "said.txt").read_text()
    assert "stilts sst2<-mrpc" in said[said.index("Chosen by held-out rows") :]


@pytest.mark.slow
def test_the_same_again_trains_nothing(folder: Path, forks: Forks) -> None:
    before = finals(folder)
    again = forks.run("tlbench", STUDY, folder)
    assert again.returncode == 0, again.stderr
    assert "12 stages, 12 of them reused and at most 0 to train" in again.stdout
    assert "Wave" not in again.stderr
    assert finals(folder) == before


@pytest.mark.slow
def test_reports_are_of_the_study_or_of_its_trials(folder: Path, forks: Forks) -> None:
    for study, rows in ("multirun/alike", 3), ("multirun/alike/trials", 8):
        made = forks.run("tlbench.cli.report", (study, "--out", f"r{rows}"), folder)
        assert made.returncode == 0, made.stderr
        assert (folder / f"r{rows}" / "records.csv").read_text().count("\n") == 1 + rows


@pytest.mark.slow
def test_a_run_of_it_is_repeated_alone(folder: Path, forks: Forks) -> None:
    (record,) = (folder / "multirun" / "alike").glob("sst2-stilts-*/result.json")
    again = forks.run("tlbench.cli.rerun", (str(record),), folder)
    assert again.returncode == 0, again.stderr
    assert "The score is the same." in again.stdout
