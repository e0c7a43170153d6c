"""Which model a study is given as, and what its user has to know of the choice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.planted import record, write
from tlbench.export import chosen
from tlbench.export.chosen import Chosen, of_study
from tlbench.records.record import read_record

ROWS = {"rte": 100, "mnli": 400}


@pytest.fixture(autouse=True)
def any_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted records have no stages in a store."""
    task: Any = None
    monkeypatch.setattr(
        chosen, "of_record", lambda file, name, trust: Chosen(read_record(file), file, task)
    )


def test_records_of_another_protocol_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    """The others may hold what a race, or the user, has in mind."""
    few = [record("single", "rte", "-", ROWS, seed, 0.9) for seed in range(2)]
    for one in few:
        one.config["optim"] = {"lr": 1e-3}
    write(few, tmp_path / "few")
    write([record("single", "rte", "-", ROWS, seed, 0.6) for seed in range(3)], tmp_path / "many")
    model = of_study(tmp_path, "rte")
    assert model.record.score == 0.6
    assert model.warnings[0].startswith("The records differ in optim.lr ")
    assert "this is optim.lr=2e-05, 3 of 5 records" in model.warnings[0]
    assert of_study(tmp_path / "many", "rte").mixed == ()


def test_a_model_that_has_not_learned_is_said_to_be_one(tmp_path: Path) -> None:
    runs = [
        replace(record("single", "rte", "-", ROWS, seed, 0.5), collapsed=True) for seed in range(3)
    ]
    write(runs, tmp_path)
    text = " ".join(of_study(tmp_path, "rte").warnings)
    assert "none is seen to have learned the task" in text
    assert "Collapsed runs: 3 of 3 of single." in text


def test_of_a_model_that_has_there_is_nothing_to_warn(tmp_path: Path) -> None:
    scores = [0.8, 0.81, 0.79]
    write(
        [record("single", "rte", "-", ROWS, n, score) for n, score in enumerate(scores)], tmp_path
    )
    model = of_study(tmp_path, None)
    assert model.warnings == ()
    assert model.how.startswith("single is the best guess for rte; of its 3 seeds 1 is the best")
