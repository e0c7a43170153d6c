"""The verdict on planted truths; how often it errs over many is in test_verdict_levels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.planted_truths import Truth, gains_of, study
from tests.support.planted import grid, none
from tlbench.analysis import verdict
from tlbench.analysis.judged import Candidate
from tlbench.analysis.verdicts import Verdict
from tlbench.errors import UserError

EQUAL = Truth("", gains_of(), lambda _: np.ones(12))


def judged(truth: Truth = EQUAL, seeds: int = 5, rows: int = 1000, random: int = 0) -> Verdict:
    table, predictions = study(truth, rows, seeds, np.random.default_rng(random))
    (one,) = verdict(table, predictions)
    return one


def with_gain(gain: float) -> Truth:
    return Truth("", gains_of(gain), lambda _: np.ones(12))


def test_a_gain_that_is_large_enough_is_proved_and_alone_may_be_the_best() -> None:
    one = judged(with_gain(0.16))
    assert one.best is not None
    assert (one.best.support, one.proved) == ("support11", "better")
    assert one.best.low < 0.16 < one.best.high
    assert one.best.low < one.best.shrunk < one.best.gain + 0.01
    assert [c.support for c in one.may_be_best] == ["support11"]
    assert one.best.probability > 0.9
    assert one.beats_chance


def test_without_a_gain_nothing_is_proved_and_most_may_be_the_best() -> None:
    one = judged()
    assert one.proved in ("nothing", "not worse")
    assert len(one.may_be_best) > 8
    assert abs(one.best.shrunk) < abs(one.best.gain)  # type: ignore[union-attr]
    assert sum(c.probability for c in one.candidates) == pytest.approx(1)


def test_without_predictions_no_word_is_proved_and_the_rows_error_is_bounded() -> None:
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    (with_rows,), (without,) = verdict(table, predictions), verdict(table.assign(dev_rows=1000))
    assert without.proved == "untested"
    assert len(without.may_be_best) == 12
    assert without.best is not None
    assert with_rows.best is not None
    assert not without.best.has_rows
    assert without.best.high - without.best.low < with_rows.best.high - with_rows.best.low
    errors = 1 - np.array([one.score for one in (without.best, without.single)])  # type: ignore[union-attr]
    bound = np.sqrt((errors.sum() - without.best.gain**2) / 1000)
    assert without.best.row_error == pytest.approx(bound)
    assert np.isnan(with_rows.best.row_error)
    assert all(np.isnan(one.probability) for one in without.candidates)


def test_one_candidate_without_predictions_is_untested_and_stays_in_the_set() -> None:
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    lost = table.index[table.support == "support3"][0]
    del predictions[int(lost)]
    (one,) = verdict(table, predictions)
    by_support = {c.support: c for c in one.candidates}
    assert by_support["support3"].proved == "untested"
    assert by_support["support3"].may_be_best
    assert by_support["support11"].proved == "better"
    assert not by_support["support4"].may_be_best


def test_predictions_that_are_not_the_scores_are_none() -> None:
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    (one,) = verdict(table.assign(score=table.score - 0.05), predictions)
    assert one.proved == "untested"


def test_more_seeds_do_not_make_rows_certain() -> None:
    halves = [best_half(judged(rows=277, seeds=seeds)) for seeds in (10, 160)]
    # A candidate's taste in rows alone: its standard error in 277 rows is 1.2 points.
    assert halves[1] > 0.02


def test_an_interval_that_covers_rows_is_not_narrower_than_one_over_seeds_alone() -> None:
    for seeds in (2, 3, 5):
        for candidate in judged(seeds=seeds, rows=277).candidates[1:]:
            half = min(candidate.high - candidate.gain, candidate.gain - candidate.low)
            assert half >= min(candidate.seeds_half, 1 - abs(candidate.gain)) - 1e-9


def best_half(one: Verdict) -> float:
    return (one.candidates[-1].high - one.candidates[-1].low) / 2


@pytest.mark.parametrize(("seeds", "look"), [(2, 2), (4, 3), (7, 5), (9, 8), (12, 10)])
def test_between_two_looks_the_last_one_stands_on_the_lowest_seeds(seeds: int, look: int) -> None:
    table, predictions = study(EQUAL, 277, seeds, np.random.default_rng(0))
    (one,) = verdict(table.sample(frac=1, random_state=0), predictions)
    first = table[table.seed < look]
    (then,) = verdict(first, {run: predictions[run] for run in first.index})
    assert {c.look for c in one.candidates} == {look}
    assert [said(c) for c in one.candidates] == [said(c) for c in then.candidates]
    same_belief = [c.shrunk for c in one.candidates] == [c.shrunk for c in then.candidates]
    assert same_belief == (seeds == look), "a belief is no claim: it is of all seeds"


def said(one: Candidate) -> tuple[object, ...]:
    return one.key, str(one.low), str(one.high), one.proved, one.may_be_best, one.worse_by


def test_one_seed_has_a_best_guess_and_no_interval() -> None:
    one = judged(with_gain(0.16), seeds=1)
    assert one.best is not None
    assert (one.best.support, one.proved, one.best.look) == ("support11", "untested", 0)
    assert np.isnan(one.best.low)
    assert np.isnan(one.best.probability)
    assert one.best.gain == pytest.approx(one.best.score - one.single.score)  # type: ignore[union-attr]


def test_candidates_without_a_score_stay_in_the_count() -> None:
    table, predictions = study(EQUAL, 1000, 5, np.random.default_rng(0))
    (whole,) = verdict(table, predictions)
    lost = table.assign(score=table.score.where(table.support != "support3"))
    kept = {run: predictions[int(run)] for run in lost.index[lost.score.notna()]}
    (one,) = verdict(lost, kept)
    without = next(c for c in one.candidates if c.support == "support3")
    assert (without.seeds, without.without_score, without.may_be_best) == (0, 5, True)
    fewer = table[table.support != "support3"]
    (dropped,) = verdict(fewer, kept)
    assert width(dropped) < width(one)
    assert width(one) == pytest.approx(width(whole), rel=0.1)


def width(one: Verdict) -> float:
    (candidate,) = (c for c in one.candidates if c.support == "support1")
    return candidate.high - candidate.low


def test_of_unequal_seeds_the_expected_score_decides_and_one_seed_is_too_few() -> None:
    """As in a race, which gives more seeds to what does well."""
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    for seeds, is_best in ((3, True), (2, True), (1, False)):
        part = table[(table.seed < seeds) | (table.support != "support11")]
        (one,) = verdict(part, {run: predictions[int(run)] for run in part.index})
        assert one.best is not None
        assert (one.best.support == "support11") == is_best


def test_one_that_lost_a_run_is_not_the_best_guess() -> None:
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    hurt = (table.support == "support11") & (table.seed == 4)
    for outcome in ("diverged", "failed"):
        lost = table.assign(
            score=table.score.where(~hurt), outcome=np.where(hurt, outcome, "scored")
        )
        (one,) = verdict(lost, {run: predictions[int(run)] for run in lost.index[~hurt]})
        assert one.best is not None
        assert one.best.support != "support11"
        assert any(c.support == "support11" for c in one.may_be_best)


@pytest.mark.parametrize("ahead", [1, 2])
def test_one_that_is_ahead_in_a_growing_study_is_not_the_best_guess_for_that(ahead: int) -> None:
    """As when a sweep has just begun its next seed."""
    table, predictions = study(with_gain(-0.1), 1000, 3, np.random.default_rng(0))
    table = table[(table.seed < ahead) | (table.support == "support11")]
    (one,) = verdict(table, predictions)
    assert one.best is not None
    assert one.best.support != "support11"


def test_the_cheapest_comes_first() -> None:
    table, predictions = study(EQUAL, 277, 3, np.random.default_rng(0))
    cost = 1000 - 10 * table.support.str.removeprefix("support").replace("-", "20").astype(int)
    (one,) = verdict(table.assign(instances=cost), predictions)
    costs = [c.cost for c in one.candidates]
    assert costs == sorted(costs)
    assert one.candidates[0].strategy == "single"


def test_without_single_there_is_a_best_guess_and_a_set_and_no_gain() -> None:
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    others = table[table.strategy != "single"]
    (one,) = verdict(others, {run: predictions[int(run)] for run in others.index})
    assert one.single is None
    assert one.best is not None
    assert (one.best.support, one.proved) == ("support11", "untested")
    assert [c.support for c in one.may_be_best] == ["support11"]


def test_a_lower_level_makes_shorter_intervals_and_smaller_sets() -> None:
    table, predictions = study(with_gain(0.06), 1000, 5, np.random.default_rng(0))
    ((strict,), (loose,)) = (verdict(table, predictions, level) for level in (0.95, 0.5))
    assert width(loose) < width(strict)
    assert {c.key for c in loose.may_be_best} <= {c.key for c in strict.may_be_best}
    assert strict.level == 0.95


def test_records_alone_are_enough() -> None:
    records = grid({"rte": 100, "mnli": 400, "cola": 200}, none)
    verdicts = {one.target: one for one in verdict(records)}
    assert set(verdicts) == {"rte", "mnli", "cola"}
    assert verdicts["rte"].target_rows == 100
    assert len(verdicts["rte"].candidates) == 6


def test_a_table_without_what_it_takes_is_one_sentence() -> None:
    with pytest.raises(UserError, match="has no column score, seed"):
        verdict(pd.DataFrame({"target": ["rte"], "strategy": ["single"]}))


@pytest.mark.slow
@settings(max_examples=25)
@given(st.data())
def test_words_never_contradict_each_other(data: st.DataObject) -> None:
    gains = np.array([0.0, *data.draw(st.lists(st.floats(-0.2, 0.2), min_size=11, max_size=11))])
    seeds = data.draw(st.integers(1, 6))
    one = judged(Truth("", gains, lambda _: np.ones(12)), seeds, 100, data.draw(st.integers(0, 99)))
    assert one.best is not None
    assert one.single is not None
    assert one.may_be_best, "some candidate is the best"
    if one.proved == "better":
        assert not one.single.may_be_best
    for candidate in one.candidates:
        consistent(candidate)


def consistent(one: Candidate) -> None:
    if one.proved == "better":
        assert one.low > 0
    if one.proved in ("not worse", "nothing"):
        assert one.low <= 0
    if not np.isnan(one.low):
        assert -1 <= one.low <= one.gain <= one.high <= 1  # no gain is larger than the range


def test_predictions_of_other_rows_than_most_are_left_out() -> None:
    table, predictions = study(with_gain(0.16), 1000, 5, np.random.default_rng(0))
    odd = int(table.index[table.support == "support2"][0])
    predictions[odd] = predictions[odd]._replace(rows=predictions[odd].rows + 1)
    (one,) = verdict(table, predictions)
    assert {c.support for c in one.candidates if not c.has_rows} >= {"support2"}
    assert one.proved == "better"
