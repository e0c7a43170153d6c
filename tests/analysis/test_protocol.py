from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.planted import config, grid, none, write
from tlbench.analysis.analysis import analyse_study
from tlbench.analysis.protocol import differences, keys_of, named_differences, split
from tlbench.analysis.table import Study, collect
from tlbench.errors import UserError
from tlbench.results import ResultRecord

TASKS = {"rte": 100, "mnli": 400, "cola": 200}


def under(seeds: Sequence[int] = (0, 1, 2), **changes: Any) -> list[ResultRecord]:
    found = grid(TASKS, none, seeds=seeds)
    for one in found:
        one.config = config(one.strategy, one.target_task, **changes)
    return found


def study(folder: Path, *parts: list[ResultRecord]) -> Study:
    for number, part in enumerate(parts):
        write(part, folder / str(number))
    return collect([folder])


def found(made: Study) -> dict[str, list[str]]:
    return differences(made.table, made.protocols)


def test_neutral_keys_tasks_and_seeds_are_no_difference(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(trainer={"max_epochs": 3, "accelerator": "gpu"}))
    assert found(made) == {}


def test_a_difference_is_named_with_its_values(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(optim={"lr": 1e-3}))
    assert found(made) == {"optim.lr": ["2e-05", "0.001"]}


def test_what_follows_the_seed_or_the_target_is_no_difference(tmp_path: Path) -> None:
    records = under()
    for one in records:
        one.config["draw"] = {"seed": one.seed}
        one.config["optim"] = {"lr": len(one.target_task)}
    assert found(study(tmp_path, records)) == {}


def test_sampling_does_not_matter_to_single(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(sampling={"name": "uniform", "epoch": "total"}))
    assert found(made) == {"sampling.name": ["size", "uniform"]}
    parts = split(made.table, made.protocols, ["sampling.name"])
    assert [values for values, _ in parts] == [
        {"sampling.name": "size"},
        {"sampling.name": "uniform"},
    ]
    for _, part in parts:
        assert part.strategy.value_counts()["mtl"] == 18
        assert part.strategy.value_counts()["single"] == 18  # of both, the same experiments


def test_two_protocols_are_not_mixed_and_the_larger_is_reported(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(seeds=range(3, 8), optim={"lr": 1e-3}))
    (analysis,) = analyse_study(made)
    assert set(analysis.table.seed) == set(range(3, 8))
    (notice,) = [n for n in analysis.notices if "differ in optim.lr (2e-05, 0.001)" in n]
    assert "add --by optim.lr for all" in notice


def test_by_reports_each(tmp_path: Path) -> None:
    made = study(tmp_path, under(), under(optim={"lr": 1e-3}))
    assert [a.name for a in analyse_study(made, ["optim"])] == ["optim.lr=2e-05", "optim.lr=0.001"]


def test_by_something_that_does_not_differ(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^Change --by: the records do not differ in 'heads'"):
        analyse_study(study(tmp_path, under()), ["heads"])
    assert keys_of(["encoder", "device"], ["encoder.name", "loss"]) == ["encoder.name", "device"]


def test_versions_and_devices_are_named_and_kept_together(tmp_path: Path) -> None:
    new = under(seeds=[3])
    for one in new:
        one.versions, one.device = {"torch": "3"}, "cuda"
    made = study(tmp_path, under(), new)
    assert named_differences(made.table) == {
        "versions": ["torch=2", "torch=3"],
        "device": ["cpu", "cuda"],
    }
    (analysis,) = analyse_study(made)
    assert set(analysis.comparisons.seeds) == {4}
    assert any("versions (torch=2, torch=3)" in notice for notice in analysis.notices)
    assert len(analyse_study(made, ["device"])) == 2
