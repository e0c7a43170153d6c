"""Computes what difference a study's seeds could have seen."""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from tlbench.analysis.comparisons import ALPHA

POWER = 0.8


def power(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return by target the smallest true difference that is found four times in five.

    Takes the spread that was seen, pooled over the target's pairs, as the true one. ``paired``
    and ``student`` are at p < 0.1 for one pair, ``paired_holm`` at the strictest level of Holm's
    correction over all pairs; fractions.
    """
    usable = comparisons[comparisons.sd_difference > 0]
    tests = max(1, int(usable.paired_p.notna().sum()))
    rows = []
    for target, group in usable.groupby("target", sort=False):
        n = int(group.seeds.median())
        paired = float(np.sqrt((group.sd_difference**2).mean()))
        pooled = float(np.sqrt(((group.sd_first**2 + group.sd_second**2) / 2).mean()))
        rows.append(
            {
                "target": target,
                "pairs": len(group),
                "seeds": n,
                "sd_difference": paired,
                "paired": paired * detectable(n, ALPHA, paired=True),
                "paired_holm": paired * detectable(n, ALPHA / tests, paired=True),
                "student": pooled * detectable(n, ALPHA, paired=False),
            }
        )
    return pd.DataFrame(rows)


def detectable(n: int, alpha: float, paired: bool, power: float = POWER) -> float:
    """Return the effect in standard deviations that a two-sided t-test over ``n`` seeds would see.

    Args:
        n: the seeds of each side.
        alpha: the level of the test.
        paired: over ``n`` differences; else over two samples of ``n``.
        power: how often the effect would be found.
    """
    freedom = n - 1 if paired else 2 * n - 2
    scale = np.sqrt(n) if paired else np.sqrt(n / 2)
    critical = stats.t.ppf(1 - alpha / 2, freedom)

    def surplus(shift: float) -> float:
        return float(stats.nct.sf(critical, freedom, shift)) - power

    # The far tail is left out: at this power it is below 1e-4, where scipy loses it anyway.
    # At twice the critical value more than 95% are found, whatever the level and the seeds.
    return float(brentq(surplus, 0.0, 2 * critical) / scale)
