"""Optuna over a job's score: one real command."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tlbench.records.record import read_record

pytestmark = pytest.mark.slow

pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs tlbench[optuna]")

Command = Callable[..., subprocess.CompletedProcess[str]]
SEARCH = ("-m", "experiment=search", "hydra/sweeper=optuna", "debug=fast")


def test_a_search_finds_its_best_score_in_spite_of_failed_trials(
    command: Command, tmp_path: Path
) -> None:
    ran = command(
        *SEARCH,
        "hydra.sweeper.n_trials=3",
        "subsample_size.target=choice(64,100000)",
        "hydra.sweeper.n_jobs=1",
    )
    assert ran.returncode == 0, ran.stderr
    files = list((tmp_path / "multirun" / "search").glob("*/result.json"))
    records = [read_record(file) for file in files]
    assert {record.status for record in records} == {"done", "failed"}
    assert len(records) == 3
    best = max(record.score for record in records if record.score is not None)
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("Best value: ")]
    assert float(line.removeprefix("Best value: ")) == pytest.approx(best)


def test_a_trial_that_diverges_is_no_best_one(command: Command, tmp_path: Path) -> None:
    ran = command(
        *SEARCH,
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.n_jobs=1",
        "optim.lr=choice(1e-4,1e6)",
        "trainer.max_epochs=choice(1,2)",
    )
    assert ran.returncode == 0, ran.stderr
    records = [read_record(f) for f in (tmp_path / "multirun" / "search").glob("*/result.json")]
    assert {record.outcome for record in records} == {"scored", "diverged"}
    assert "'optim.lr': 0.0001" in ran.stderr


def test_a_search_without_any_score_ends_in_a_sentence(command: Command) -> None:
    ran = command(*SEARCH, "hydra.sweeper.n_trials=1", "subsample_size.target=100000")
    assert ran.returncode == 1
    assert "Change subsample_size.target: 100000 asks for 100000 rows" in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("No trial of the search has a score")
    assert "Traceback" not in ran.stderr


def test_the_same_search_again_trains_nothing(command: Command) -> None:
    search = (*SEARCH, "hydra.sweeper.n_trials=2")
    assert command(*search).stderr.count(": training ") == 2
    again = command(*search)
    assert again.returncode == 0, again.stderr
    assert ": training " not in again.stderr
