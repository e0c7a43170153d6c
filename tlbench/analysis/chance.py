"""Says whether any candidate has learned its task: is better than one word for all rows."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from tlbench.analysis.candidates import Runs


def beats_chance(runs: Sequence[Runs], majority: float, rows: int, error: float) -> bool:
    """Whether any candidate's mean is above the chance level by more than its own error.

    Tested for all of them together (Bonferroni), over seeds; one seed by the error of a share.
    """
    scored = [one for one in runs if len(one.scores)]
    # Without any score nothing is known of chance, which another sentence says.
    return (
        not scored
        or np.isnan(majority)
        or any(
            one.scores.mean() - majority > _error_bound(one, majority, rows, error / len(scored))
            for one in scored
        )
    )


def _error_bound(one: Runs, majority: float, rows: int, error: float) -> float:
    seeds = len(one.scores)
    if seeds == 1:
        # Where chance is 0 or 1 the score is no share: a correlation's error is about this too.
        share = majority if 0 < majority < 1 else 0.5
        return float(2 * np.sqrt(share * (1 - share) / rows)) if rows else 0.0
    quantile = stats.t.ppf(1 - error, seeds - 1)
    return float(quantile * one.scores.std(ddof=1) / np.sqrt(seeds))
