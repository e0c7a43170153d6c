"""Judges gains: intervals that hold for all candidates of a target, and a word for each."""

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.comparisons import ALPHA

MATTERS = 0.005  # half a point
EVIDENCE, NO_EVIDENCE, NO_DIFFERENCE, NO_TEST = (
    "evidence",
    "no evidence",
    "no difference that matters",
    "no test",
)


def verdict(low: float, high: float) -> str:
    """Return what an interval of a gain says."""
    if np.isnan(low) or np.isnan(high):
        return NO_TEST
    # A gain that is certain and too small to matter is no reason for another strategy.
    if max(-low, high) <= MATTERS:
        return NO_DIFFERENCE
    return EVIDENCE if low > 0 or high < 0 else NO_EVIDENCE


def simultaneous(
    group: pd.DataFrame, first: Sequence[Hashable], second: Sequence[Hashable]
) -> pd.DataFrame:
    """Return intervals of differences that hold for all rows at once with 90% (Bonferroni).

    The spread is pooled over all scores of the target, as in an analysis of variance: a few seeds
    of one candidate alone say too little of it. Assumes normal scores of equal spread.

    Args:
        group: differences with the seeds and spreads of both sides.
        first, second: by row, which scores a side is. Rows that share some count their spread once.

    Returns:
        ``low`` and ``high``; NaN without any spread.
    """
    squares, total = 0.0, 0
    for side, scores in (("first", first), ("second", second)):
        freedom = _counted_once(group.seeds - 1, scores)
        squares += (freedom * group[f"sd_{side}"].fillna(0) ** 2).sum()
        total += int(freedom.sum())
    pooled = np.sqrt(squares / total) if total and squares > 0 else np.nan
    quantile = stats.t.ppf(1 - ALPHA / len(group) / 2, max(total, 1))
    half = quantile * pooled * np.sqrt(2 / group.seeds)
    return pd.DataFrame({"low": group.difference - half, "high": group.difference + half})


def _counted_once(freedom: "pd.Series[int]", scores: Sequence[Hashable]) -> "pd.Series[int]":
    """Return degrees of freedom, 0 for rows whose scores are counted at another row."""
    most = freedom.groupby(pd.Series(list(scores), freedom.index)).idxmax()
    return freedom.where(freedom.index.isin(most), 0)
