import numpy as np
import pytest

from benchmarks.planted_truths import Truth, gains_of, study
from tlbench.analysis import race_decision
from tlbench.analysis.apart import Apart


def needed(rows: int, gain: float = 0.03, spread: float = 1.0, seeds: int = 5) -> Apart:
    truth = Truth("", gains_of(gain), lambda _: np.full(12, spread))
    table, predictions = study(truth, rows, seeds, np.random.default_rng(0))
    (one,) = race_decision(table, predictions)
    assert one.apart is not None
    return one.apart


def test_few_rows_make_no_number_of_seeds_enough() -> None:
    found = needed(rows=277)
    assert found.seeds is None
    assert found.rows is None or found.rows > 277


def test_with_many_rows_seeds_are_enough_and_more_the_noisier_they_are() -> None:
    calm, noisy = (needed(rows=20_000, gain=0.015, spread=spread) for spread in (0.5, 2.0))
    assert calm.seeds is not None
    assert noisy.seeds is None or noisy.seeds > calm.seeds


def test_rows_that_are_said_to_be_enough_follow_the_square_of_the_difference() -> None:
    found = needed(rows=1000)
    assert found.difference > 0
    if found.rows is not None:
        assert found.rows > 1000 or found.seeds is not None


def test_without_two_seeds_it_is_not_known() -> None:
    truth = Truth("", gains_of(0.03), lambda _: np.ones(12))
    table, predictions = study(truth, 1000, 1, np.random.default_rng(0))
    (one,) = race_decision(table, predictions)
    assert one.apart is None


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_rival_is_the_nearest_of_those_that_may_be_the_best(seeds: int) -> None:
    found = needed(rows=1000, seeds=seeds)
    assert found.rival.may_be_best
