"""What unseen collapses may take from a mean, of a target's candidates together."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.planted_truths import NULLS, study
from tlbench.analysis import verdict
from tlbench.analysis.collapses import unseen_losses
from tlbench.records.predictions import Saved

LEARNED = np.zeros(5, bool)
ONE = np.arange(5) == 0


def test_where_no_run_of_any_has_collapsed_nothing_is_taken() -> None:
    assert unseen_losses([np.full(5, 0.8)] * 3, [LEARNED] * 3) == pytest.approx(0)


def test_one_that_has_shown_a_collapse_has_it_in_its_own_mean() -> None:
    scores = [np.array([0.5, 0.8, 0.8, 0.8, 0.8]), np.full(5, 0.8), np.full(5, 0.7)]
    losses = unseen_losses(scores, [ONE, LEARNED, LEARNED])
    assert losses[0] == 0
    # The rate at which more than one of fifteen is seen in half of all studies.
    rate = losses[1] / 0.3
    assert stats.binom.cdf(1, 15, rate) == pytest.approx(0.5)
    assert losses[2] == pytest.approx(0.2 * rate)


def test_a_candidate_below_the_collapsed_ones_loses_nothing() -> None:
    scores = [np.array([0.5, 0.8, 0.8, 0.8, 0.8]), np.full(5, 0.4)]
    assert unseen_losses(scores, [ONE, LEARNED])[1] == 0


def test_of_candidates_that_collapse_the_lucky_ones_are_not_proved_better() -> None:
    """Each gains nothing; those without a collapse among five seeds look 3 points better."""
    truth = next(truth for truth in NULLS if len(truth.collapsing) > 1)
    for random in range(6):
        table, predictions = study(truth, 1000, 5, np.random.default_rng([1, random]))
        (one,) = verdict(table, predictions)
        lucky = [c for c in one.candidates if not c.collapsed and c.strategy != "single"]
        (unaware,) = verdict(
            table[table.support.isin(["-", *(c.support for c in lucky)])], predictions
        )
        assert not any(c.proved == "better" for c in one.candidates)
        for aware, naive in zip(
            lucky, [c for c in unaware.candidates if c.strategy != "single"], strict=True
        ):
            assert aware.low < naive.low - 0.02


def test_what_another_strategy_loses_says_nothing() -> None:
    """Where the target alone is hardly learned, support may be all that it takes."""
    table, predictions = study(NULLS[0], 1000, 5, np.random.default_rng(0))
    alone = table[table.strategy == "single"].index[:2]
    said = {
        run: Saved(s.rows, s.labels, 0 * s.labels) if run in alone else s
        for run, s in predictions.items()
    }
    scores = {run: float((s.labels == s.predictions).mean()) for run, s in said.items()}
    (before,), (after,) = (
        verdict(table.assign(score=[found[run] for run in table.index]), dict(runs))
        for found, runs in (({**table.score}, predictions), (scores, said))
    )
    widths = [
        [c.gain - c.low for c in one.candidates if c.strategy != "single"]
        for one in (before, after)
    ]
    highs = [
        [c.high - c.gain for c in one.candidates if c.strategy != "single"]
        for one in (before, after)
    ]
    # Wider by single's own spread, and to both sides alike.
    assert widths[1] > widths[0]
    assert widths[1] == pytest.approx(highs[1])
