import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.verdicts import (
    EVIDENCE,
    NO_DIFFERENCE,
    NO_EVIDENCE,
    NO_TEST,
    simultaneous,
    verdict,
)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.001, 0.03, EVIDENCE),
        (-0.03, -0.01, EVIDENCE),
        (-0.01, 0.03, NO_EVIDENCE),
        (-0.004, 0.005, NO_DIFFERENCE),
        (0.001, 0.004, NO_DIFFERENCE),
        (np.nan, np.nan, NO_TEST),
    ],
)
def test_the_verdict_is_the_intervals(low: float, high: float, word: str) -> None:
    assert verdict(low, high) == word


@pytest.mark.parametrize(("second", "samples"), [("abc", 6), ("aaa", 4), ("aab", 5)])
def test_scores_that_several_differences_share_count_once(second: str, samples: int) -> None:
    """The quantile is that of as many degrees of freedom as there are different scores."""
    group = pd.DataFrame({"difference": 0.0, "sd_first": 0.01, "sd_second": 0.01, "seeds": [5] * 3})
    high = simultaneous(group, "xyz", second).high.iloc[0]
    quantile = stats.t.ppf(1 - ALPHA / 3 / 2, 4 * samples)
    assert high == pytest.approx(quantile * 0.01 * np.sqrt(2 / 5))


@pytest.mark.slow
def test_intervals_hold_together_and_for_the_chosen_best() -> None:
    draw = np.random.default_rng(0)
    candidates, seeds, studies = 17, 5, 600
    together = best = 0
    for _ in range(studies):
        scores = 0.01 * draw.standard_normal((candidates + 1, seeds))
        means, sds = scores.mean(axis=1), scores.std(axis=1, ddof=1)
        group = pd.DataFrame(
            {
                "difference": means[1:] - means[0],
                "sd_first": sds[1:],
                "sd_second": sds[0],
                "seeds": seeds,
            }
        )
        bounds = simultaneous(group, range(candidates), ["single"] * candidates)
        inside = (bounds.low < 0) & (bounds.high > 0)
        together += inside.all()
        best += inside[group.difference.idxmax()]
    assert 1 - ALPHA - 0.02 < together / studies < 0.99
    assert best / studies > 1 - ALPHA
