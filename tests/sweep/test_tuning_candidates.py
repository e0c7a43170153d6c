"""The overrides of a tuned sweep's runs, as a job is given them."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.support.sweeps import MakeSweeper
from tlbench.sweep.compose import Composer
from tlbench.sweep.plan import Plan, make_plan
from tlbench.sweep.tuning_candidates import (
    Candidate,
    candidates_of,
    final_overrides,
    trial_overrides,
    with_shared_trials,
)
from tlbench.sweep.tuning_search import Search

SEARCH = Search({"optim.lr": [1e-5, 1e-4], "optim.schedule": ["linear", "cosine"]}, 3, 7)
VALUES = {"optim.lr": 1e-5, "optim.schedule": "cosine"}


@pytest.fixture
def planned(make_sweeper: MakeSweeper, tmp_path: Any) -> Any:
    """Plan combinations as a sweep does."""

    def go(*combinations: tuple[str, ...]) -> Plan:
        sweeper, config, overrides = make_sweeper()
        compose = Composer(sweeper.context.config_loader, config)
        words = [(*overrides, *own) for own in combinations]
        return make_plan(map(compose, words), tmp_path / "sweep")

    return go


def own(overrides: tuple[str, ...]) -> list[str]:
    """Those that a test has not given every run, its folders."""
    return [word for word in overrides if not word.startswith(("store_dir", "cache_dir", "debug"))]


def parsed(words: tuple[str, ...]) -> dict[str, Any]:
    overrides = OverridesParser.create().parse_overrides(list(words))
    return {one.key_or_group: one.value() for one in overrides}


def test_a_support_alone_is_a_single_of_its_rows_and_of_its_own_source(planned: Any) -> None:
    choice = ("target_task=rte", "support_task=mrpc", "++support_task.score=[accuracy]")
    words = (*choice, "target_task.metrics=[accuracy]", "strategy=stilts", "batch_size=8")
    (one,) = candidates_of(planned(words))
    assert own(one.alone["mrpc"]) == [
        "batch_size=8",
        "target_task=mrpc",
        "++target_task.score=[accuracy]",
        "subsample_size.target=64",
        "allow_leakage=true",
        "support_task=none",
        "strategy=single",
    ]
    assert one.has_trials
    assert one.title == "stilts rte<-mrpc"


def test_what_trains_nothing_of_its_own_follows_the_target_alone(planned: Any) -> None:
    words = ("target_task=rte", "target_task.score=[accuracy]", "support_task=mrpc")
    (one,) = candidates_of(planned((*words, "strategy=merge")))
    assert not one.has_trials
    assert own(one.tried) == [*words[:2], "support_task=none", "strategy=single"]


def test_seeds_of_a_choice_are_one_candidate(planned: Any) -> None:
    seeds = [("target_task=rte", f"seed={seed}") for seed in (4, 1)]
    (one,) = candidates_of(planned(*seeds))
    assert [run.config.seed for run in one.runs] == [1, 4]


def test_a_trial_is_chosen_by_held_out_rows_under_the_seed_of_trials() -> None:
    given = ("target_task=rte", "selection=dev", "keep_weights=[rte]", "study=mine")
    supports = {"2024": {"optim.lr": 1e-4}}
    words = trial_overrides(given, SEARCH, VALUES, supports, "mine_trials")
    assert parsed(words) == {
        "target_task": "rte",
        "seed": 7,
        "selection": "held_out",
        "keep_weights": "needed",
        "study": parsed(("study='mine_trials'",))["study"],
        "optim.lr": 1e-5,
        "optim.schedule": parsed(("x='cosine'",))["x"],
        "tuned.supports.2024": {"optim.lr": 1e-4},
    }


def test_a_run_keeps_what_the_user_says_and_says_what_was_searched(planned: Any) -> None:
    plan = planned(("target_task=rte", "seed=3", "selection=dev"))
    (run,) = plan.experiments
    words = final_overrides(run, SEARCH, VALUES, {})
    assert words[: len(run.overrides)] == tuple(run.overrides)
    composed = planned(words).experiments[0].config
    assert (composed.seed, composed.selection) == (3, "dev")
    assert (composed.optim.lr, composed.optim.schedule) == (1e-5, "cosine")
    tuned = composed.tuned
    assert (tuned.grid, tuned.trials, tuned.seed, tuned.supports) == (SEARCH.grid, 3, 7, {})


def test_what_comes_to_one_stage_is_tried_once() -> None:
    stilts, mtl, single, merge, other = (
        (name,) for name in ("stilts", "mtl", "single", "merge", "other")
    )
    candidates = [
        Candidate(stilts, (), {"mrpc": ("mrpc, sum",)}, stilts),
        Candidate(other, (), {"mrpc": ("mrpc, mean",)}, other),
        Candidate(mtl, (), {}, mtl),
        Candidate(merge, (), {"mrpc": ("mrpc, sum",)}, ("rte alone",)),
        Candidate(single, (), {}, single),
    ]
    stages = {("mrpc, sum",): "a", ("mrpc, mean",): "a", ("rte alone",): "b", single: "b", mtl: "c"}
    shared = with_shared_trials(candidates, stages)
    assert [dict(one.alone) for one in shared] == [
        {"mrpc": ("mrpc, sum",)},
        {"mrpc": ("mrpc, sum",)},
        {},
        {"mrpc": ("mrpc, sum",)},
        {},
    ]
    assert [one.tried for one in shared] == [stilts, other, mtl, single, single]
