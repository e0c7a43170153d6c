"""How often the verdict errs on planted truths; docs/guide/verdict.md has many more."""

import numpy as np
import pytest

from benchmarks.planted_truths import GAINS, NULLS, Truth
from benchmarks.verdict_levels import expect, measure

pytestmark = pytest.mark.slow

TARGETS, LOOKS, ERROR = 40, (2, 3, 5, 10), 0.1
CHANCE = 2 * np.sqrt(ERROR * (1 - ERROR) / TARGETS)  # of a share of so many targets


@pytest.mark.parametrize("truth", [*NULLS, GAINS[2], GAINS[3]], ids=lambda truth: truth.name)
def test_claims_and_sets_are_wrong_no_more_often_than_the_level_says(truth: Truth) -> None:
    tally = measure(truth, 277, TARGETS, LOOKS)
    assert np.mean(tally.false_claims) <= ERROR
    assert np.mean(tally.without_best) <= ERROR
    # Single's rare collapses, before any is seen, are in no interval; they lead to no claim.
    if 0 not in truth.collapsing:
        assert np.mean(tally.uncovered[0]) <= ERROR + CHANCE


def test_a_gain_is_found() -> None:
    tally = measure(GAINS[1], 1000, TARGETS, (5, 10))
    assert np.mean(tally.found[10]) > 0.7


def test_where_there_is_no_gain_the_expectation_is_near_none() -> None:
    tally = measure(NULLS[0], 1000, TARGETS, (5,))
    assert np.mean(tally.raw) > 0.01
    assert abs(np.mean(tally.shrunk)) < np.mean(tally.raw) / 2


def test_probabilities_of_being_the_best_and_expected_gains_are_right_on_average() -> None:
    """Where true gains are normal, as the prior takes them to be."""
    beliefs, (raw, shrunk) = expect(0.03, 60)
    said, is_best = np.array(beliefs, float).T
    for part in (said < 0.2, (said >= 0.2) & (said < 0.8), said >= 0.8):
        error = np.sqrt((said * (1 - said))[part].sum()) / part.sum()
        assert abs(said[part].mean() - is_best[part].mean()) < 3 * error
    assert raw > 0.3
    assert abs(shrunk) < 0.4
