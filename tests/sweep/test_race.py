"""A race in this process: rounds, budget, what goes on where; trainings are of seconds."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.experiments import Trained
from tests.support.sweeps import Sweep
from tlbench.analysis import collect, verdict
from tlbench.errors import UserError

RACE = ("hydra/sweeper=race", "target_task=rte", "support_task=mrpc,sst2")
FIRST = 7  # stages of a first seed: single, two supports, STILTs of each, MTL with each


def budget(trainings: int) -> str:
    return f"hydra.sweeper.trainings={trainings}"


def state(tmp_path: Path) -> dict[str, list[list[str]]]:
    content: dict[str, list[list[str]]] = json.loads((tmp_path / "sweep" / "race.json").read_text())
    return content


def test_a_first_seed_of_all_and_then_of_contenders_within_the_budget(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = sweep(*RACE, budget(12))
    assert len(trained.titles) <= 12
    assert len(trained.titles) > FIRST
    first, *later = state(tmp_path)["rounds"]
    assert len(first) == 5
    assert later
    assert sum(name.startswith("single") for name in records) == 1 + len(later)
    assert all(len(one) <= 3 for one in later), "single and two contenders"
    printed, told = capsys.readouterr()
    assert "race: candidates: 5 for rte; 0 of 12 trainings used" in printed
    assert f"round 1: {FIRST} of 12 trainings used" in printed
    assert re.search(r"single rte s0 \S+( \(collapsed\))? in \d:\d\d", told), "it is followed"
    assert "race: budget out" in printed
    assert "Not pursued, though each may still be the best: " in printed
    (one,) = verdict(collect([tmp_path / "sweep"]))
    assert one.best is not None
    name = {"single": "single", "stilts": "STILTs", "mtl": "MTL"}[one.best.strategy]
    said = printed.split("race: budget out")[1].splitlines()[1]
    assert f"best guess: {name}" in said, "the answer is that of the report"
    assert one.best.support == "-" or f"with {one.best.support} [" in said


def test_the_same_command_trains_nothing_and_a_larger_budget_only_what_is_new(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    race = (*RACE[:2], "support_task=mrpc")
    sweep(*race, budget(5))
    rounds, titles = state(tmp_path)["rounds"], list(trained.titles)
    sweep(*race, budget(5))
    assert trained.titles == titles
    assert state(tmp_path)["rounds"] == rounds
    sweep(*race, budget(9))
    assert state(tmp_path)["rounds"][: len(rounds)] == rounds
    assert len(titles) < len(trained.titles) <= 9


@pytest.mark.slow
def test_another_support_is_given_a_first_seed_and_a_share_of_its_own(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    sweep(*RACE[:2], "support_task=mrpc", budget(6))
    sweep(*RACE[:2], "support_task=mrpc,mnli", budget(9))
    (one,) = verdict(collect([tmp_path / "sweep"]))
    batches = {(c.strategy, c.support): c.batch for c in one.candidates}
    assert batches["stilts", "mrpc"] == batches["single", "-"] == 0
    assert batches["stilts", "mnli"] == batches["mtl", "mnli"] == 1


@pytest.mark.slow
def test_what_a_command_no_longer_names_stays_in_the_count(
    sweep: Sweep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*RACE, budget(9))
    capsys.readouterr()
    sweep(*RACE[:2], "support_task=mrpc", budget(9))
    printed = capsys.readouterr().out
    assert "race: candidates: 3 for rte" in printed
    assert "(best of 4)" in printed or "of 5 candidates" in printed, printed


@pytest.mark.slow
def test_several_targets_share_stages(sweep: Sweep, trained: Trained, tmp_path: Path) -> None:
    sweep("hydra/sweeper=race", "target_task=rte,mrpc", "support_task=rte,mrpc", budget(5))
    assert sorted(trained.titles) == ["mrpc", "mrpc+rte", "mrpc<-rte", "rte", "rte<-mrpc"]
    assert len(state(tmp_path)["rounds"][0]) == 6


@pytest.mark.slow
def test_a_merge_is_no_training_and_its_rules_are_candidates(
    sweep: Sweep, trained: Trained, tmp_path: Path
) -> None:
    pair = ("hydra/sweeper=race", "target_task=rte", "support_task=mrpc", "strategy=merge")
    sweep(*pair, "merging=average,regmean", budget(2))
    assert sorted(trained.titles) == ["mrpc", "rte"]
    ((*begun,),) = state(tmp_path)["rounds"]
    assert len(begun) == 3
    assert len(list((tmp_path / "sweep").glob("*merge*/result.json"))) == 2


@pytest.mark.slow
def test_what_the_store_has_already_is_free(sweep: Sweep, trained: Trained, tmp_path: Path) -> None:
    pair = ("target_task=rte", "support_task=mrpc")
    sweep(*pair, "strategy=single,stilts,mtl", "seed=0,1")
    del trained.titles[:]
    sweep("hydra/sweeper=race", *pair, budget(2))
    assert len(state(tmp_path)["rounds"]) >= 2
    assert len(trained.titles) <= 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), r"^Add hydra.sweeper.trainings=40"),
        ((budget(20), "seed=0,1"), "^Leave out seed=0,1: a race gives candidates their seeds"),
        ((budget(20), "optim.lr=1e-4,1e-3"), "^Change optim.lr: a race compares candidates"),
        ((budget(3),), "^Raise hydra.sweeper.trainings by 4, or race fewer candidates"),
        ((budget(20), "hydra.sweeper.seeds=11"), "^Change hydra.sweeper.seeds: 11 is not from 2"),
        ((budget(20), "hydra.sweeper.looks=[1,2]"), "^Change looks="),
        ((budget(20), "+hydra.sweeper.detach=true"), "^Leave out hydra.sweeper.detach: a race has"),
        ((budget(20), "hydra.sweeper.hours=0"), "^Change hydra.sweeper.hours: 0 is no time"),
        ((budget(20), "support_task=rte"), "^Add a support_task for rte"),
    ],
)
def test_what_can_not_be_raced_is_refused_before_any_training(
    sweep: Sweep, trained: Trained, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sweep(*RACE, *words)
    assert trained.titles == []


def test_looks_can_not_be_changed_once_results_are_there(sweep: Sweep) -> None:
    race = (*RACE[:2], "support_task=mrpc", "strategy=mtl", budget(2))
    sweep(*race, "hydra.sweeper.looks=[3,5]")
    with pytest.raises(UserError, match=r"^Change hydra.sweeper.looks to \[3,5\]"):
        sweep(*race)


def test_another_protocol_is_another_race(sweep: Sweep, trained: Trained) -> None:
    race = (*RACE[:2], "support_task=mrpc", "strategy=mtl", budget(2))
    sweep(*race)
    titles = list(trained.titles)
    with pytest.raises(UserError, match=r"^Change study, as this race began with optim.lr=2e-05:"):
        sweep(*race, "optim.lr=1e-3")
    sweep(*race, "keep_weights=all")  # no part of a protocol
    assert trained.titles[: len(titles)] == titles


def test_a_dry_run_shows_the_next_round(
    sweep: Sweep, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(*RACE, budget(12), "hydra.sweeper.dry_run=true")
    printed = capsys.readouterr().out
    assert "next round: 5 runs, 7 new stages" in printed
    assert "stilts rte<-sst2 s0" in printed
    assert trained.titles == []
    assert not (tmp_path / "sweep").exists()
    sweep(*RACE, "method=sum,pcgrad", budget(12), "hydra.sweeper.dry_run=true")
    assert "mtl rte<-sst2 s0 (method=pcgrad)\n" in capsys.readouterr().out


def test_the_strategies_that_are_named_are_raced(sweep: Sweep, tmp_path: Path) -> None:
    sweep(*RACE, "strategy=mtl", budget(3))
    assert len(state(tmp_path)["rounds"][0]) == 3


@pytest.mark.slow
def test_the_seeds_of_an_experiment_are_the_races(sweep: Sweep, tmp_path: Path) -> None:
    sweep(
        "hydra/sweeper=race",
        "experiment=smoke",
        "target_task=rte",
        "support_task=mrpc",
        "strategy=stilts",
        budget(3),
    )
    assert len(state(tmp_path)["rounds"][0]) == 2


@pytest.mark.slow
def test_killed_three_times_it_ends_as_one_that_was_not(tmp_path: Path) -> None:
    command = (*RACE, "-m", "debug=fast", "study=race", budget(13))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    run(command, whole)
    for seconds in (9, 14, 19):
        started = start(command, killed)
        time.sleep(seconds)
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    run(command, killed)
    assert ends(killed) == ends(whole)


def start(command: tuple[str, ...], folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tlbench", *command],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run(command: tuple[str, ...], folder: Path) -> None:
    assert start(command, folder).wait() == 0


def ends(folder: Path) -> tuple[list[list[str]], dict[str, float]]:
    study = folder / "multirun" / "race"
    rounds = json.loads((study / "race.json").read_text())["rounds"]
    table = collect([study]).table
    scores = dict(
        zip(table.strategy + table.support + table.seed.astype(str), table.score, strict=True)
    )
    return rounds, scores
