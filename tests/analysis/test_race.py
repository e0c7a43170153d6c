"""Where a race stands, on planted truths; how often it errs is measured by benchmarks.race."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from benchmarks.planted_truths import Truth, gains_of, study
from tlbench.analysis import Decision, race_decision
from tlbench.errors import UserError

CALM = Truth("", gains_of(0.16), lambda _: np.ones(12))


def stand(
    truth: Truth = CALM,
    seeds: int | Mapping[str, int] = 5,
    rows: int = 1000,
    matters: float = 0.005,
    looks: tuple[int, ...] | None = None,
) -> Decision:
    """The race after so many seeds of all candidates, or of each by its support."""
    of_all = {f"support{number}": 5 for number in range(1, 12)} | {"-": 5}
    given = dict.fromkeys(of_all, seeds) if isinstance(seeds, int) else of_all | {**seeds}
    table, predictions = study(truth, rows, max(given.values()), np.random.default_rng(0))
    table = table[table.seed < table.support.map(given)]
    cost = table.support.str.removeprefix("support").replace("-", "0").astype(int)
    kept = {run: predictions[int(run)] for run in table.index}
    (one,) = race_decision(table.assign(instances=100 + cost), kept, looks, matters=matters)
    return one


def test_it_is_decided_once_all_others_are_excluded() -> None:
    one = stand()
    assert one.end == "decided"
    assert one.choice is not None
    assert one.choice.support == "support11"
    assert (one.ranked, one.not_pursued, one.apart) == ((), (), None)


def test_the_cheapest_is_good_enough_where_none_is_better_by_what_matters() -> None:
    even = Truth("", gains_of(), lambda _: np.full(12, 0.2))
    assert stand(even).end == "open"
    one = stand(even, rows=4000, matters=0.05)
    assert one.end == "good enough"
    assert one.choice is not None
    assert one.choice.strategy == "single"  # which trains the fewest rows
    assert one.choice.worse_by <= 0.05


def test_a_smaller_difference_that_matters_is_harder_to_exclude() -> None:
    even = Truth("", gains_of(), lambda _: np.full(12, 0.2))
    one = stand(even, rows=4000, matters=0.001)
    assert one.end == "open"
    bounds = [candidate.worse_by for candidate in one.verdict.candidates]
    assert min(bounds) > 0.001


def test_an_open_race_ranks_who_may_be_the_best_and_says_what_it_would_take() -> None:
    one = stand(Truth("", gains_of(0.03), lambda _: np.ones(12)))
    assert one.end == "open"
    assert {*one.ranked} == {candidate.key for candidate in one.verdict.may_be_best}
    assert one.ranked[0] == ("stilts", "-", "support11", 0)
    assert one.apart is not None
    assert one.apart.rival.key != one.verdict.best.key  # type: ignore[union-attr]


def test_what_was_left_behind_stays_in_the_count_and_is_named() -> None:
    left_behind = {f"support{number}": 1 for number in range(3, 11)}
    one = stand(seeds=left_behind)
    assert one.end == "open", "nothing is known of those with one seed"
    assert {candidate.support for candidate in one.not_pursued} == {*left_behind}
    assert len(one.verdict.candidates) == 12
    probabilities = [candidate.probability for candidate in one.verdict.candidates]
    assert sum(probabilities) == pytest.approx(1), "of all, and not of those that were pursued"
    assert {candidate.worse_by for candidate in one.verdict.candidates} == {np.inf}
    assert one.choice is not None
    assert one.choice.support == "support11"


def test_after_one_seed_of_all_the_highest_means_go_on() -> None:
    one = stand(seeds=1)
    by_mean = sorted(one.verdict.candidates, key=lambda candidate: -candidate.score)
    assert one.end == "open"
    assert next(key for key in one.ranked[:3] if key[0] != "single") == by_mean[0].key
    assert one.apart is None


def test_looks_of_ones_own_are_judged_at_those() -> None:
    assert stand(seeds=4, looks=(4,)).end == "decided"
    assert {one.look for one in stand(seeds=4, looks=(4,)).verdict.candidates} == {4}
    with pytest.raises(UserError, match=r"^Change looks="):
        stand(looks=(1, 2))


def test_there_is_a_decision_for_every_target() -> None:
    first, _ = study(CALM, 100, 2, np.random.default_rng(0))
    second = first.assign(target="other")
    both = race_decision(pd.concat([first, second], ignore_index=True))
    assert [one.target for one in both] == [("planted", 0), ("other", 0)]
