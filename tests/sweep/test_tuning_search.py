"""Which combinations of values every candidate of a tuned sweep is given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.errors import UserError
from tlbench.sweep.tuning_search import Search

GRID = {"optim.lr": [1e-5, 1e-4, 1e-3], "trainer.max_epochs": [2, 4]}


def test_all_combinations_in_the_order_of_the_grid() -> None:
    for trials in (None, 6, 100):
        found = [tuple(one.values()) for one in Search.of(GRID, trials, 0).combinations]
        assert found == [(1e-5, 2), (1e-5, 4), (1e-4, 2), (1e-4, 4), (1e-3, 2), (1e-3, 4)]


@given(trials=st.integers(1, 5), seed=st.integers(0, 1000))
def test_a_sample_is_of_different_combinations_and_the_same_each_time(
    trials: int, seed: int
) -> None:
    every = list(Search.of(GRID, None, 0).combinations)
    drawn = Search.of(GRID, trials, seed).combinations
    places = [every.index(one) for one in drawn]
    assert len(set(places)) == trials
    assert places == sorted(places), "the order of the grid, by which ties are broken"
    assert drawn == Search.of(GRID, trials, seed).combinations


def test_the_seed_draws_the_sample() -> None:
    samples = {str(Search.of(GRID, 2, seed).combinations) for seed in range(20)}
    assert len(samples) > 5


def test_a_sample_of_a_huge_grid_does_not_list_it() -> None:
    keys = ("optim.lr", "optim.weight_decay", "optim.warmup", "batch_size", "eval_every")
    grid = {key: list(range(1, 1001)) for key in keys}  # 10^15 combinations
    assert len(Search.of(grid, 3, 0).combinations) == 3


def test_keys_may_be_nested_as_a_yaml_has_them() -> None:
    assert Search.of({"optim": {"lr": [1, 2]}}, None, 0).grid == {"optim.lr": [1, 2]}


@pytest.mark.parametrize(
    ("grid", "trials", "seed", "said"),
    [
        (None, None, 0, r"^Add 'hydra.sweeper.tune=\{optim.lr: "),
        ({}, None, 0, r"^Add 'hydra.sweeper.tune=\{optim.lr: "),
        ([1e-5], None, 0, r"^Add 'hydra.sweeper.tune=\{optim.lr: "),
        ({"optim.lrr": [1]}, None, 0, "^Change hydra.sweeper.tune: optim.lrr can't be tuned; "),
        ({"seed": [1]}, None, 0, "^Change hydra.sweeper.tune: seed can't be tuned; "),
        ({"selection": ["dev"]}, None, 0, "^Change hydra.sweeper.tune: selection can't be tuned"),
        ({"method": [{}]}, None, 0, "^Change hydra.sweeper.tune: method can't be tuned; "),
        ({"optim.optimizer": [{}]}, None, 0, "optim.optimizer can't be tuned; "),
        ({"encoder.max_length": [8]}, None, 0, "encoder.max_length can't be tuned; "),
        ({"optim.lr": 1}, None, 0, "^Change hydra.sweeper.tune: give optim.lr a list of values"),
        ({"optim.lr": []}, None, 0, "^Change hydra.sweeper.tune: give optim.lr a list of values"),
        ({"optim.lr": [1, 1.0]}, None, 0, "^Change hydra.sweeper.tune: optim.lr has 1 twice"),
        (GRID, 0, 0, "^Change hydra.sweeper.trials: 0 is none"),
        (GRID, None, -1, "^Change hydra.sweeper.tuning_seed: -1 is no seed"),
    ],
)
def test_what_can_not_be_searched_is_one_sentence(
    grid: Any, trials: int | None, seed: int, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        Search.of(grid, trials, seed)


@pytest.mark.parametrize("word", ["optim.lr=1", "++optim.lr=1", "tuned.seed=1", "+tuned={}"])
def test_what_is_chosen_is_given_no_value(word: str) -> None:
    search = Search.of(GRID, None, 0)
    with pytest.raises(UserError, match=r"^Leave out "):
        search.check_axes([["target_task=rte"], [word]])
    search.check_axes([["target_task=rte"], ["optim.weight_decay=0"], ["optim=adamw"]])
