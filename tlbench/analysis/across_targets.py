"""Says whether one strategy beats another over targets, each target counting once.

Wilcoxon's signed-rank test over targets (Demsar 2006) with a region of no practical difference:
half a point to both sides of 0.
"""

from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.judged import MATTERS
from tlbench.analysis.names import THE_PAPERS, Sides
from tlbench.analysis.settings import at_full_size, setting_means
from tlbench.records.definitions import BASELINE

Array = NDArray[np.float64]
Outcome = Literal["better", "worse", "equal", "undecided"]


def across_targets(table: pd.DataFrame, sides: Sides = THE_PAPERS) -> pd.DataFrame:
    """Compare all strategies, two by two, over the targets that both have.

    A strategy's score for a target is its mean over supports, methods and seeds at full size.

    Args:
        table: records, as ``collect`` gives them.
        sides: the two that come first, as they are what a study compares; the baseline comes last.

    Returns:
        One row two strategies: ``targets``, mean ``difference`` (a fraction), on how many targets
        the first is ``better`` or ``worse`` by more than half a point, or ``equal``, Wilcoxon's
        two-sided ``p``, and ``outcome``.
    """
    means = at_full_size(setting_means(table))
    scores = means.groupby(["strategy", "target"]).score.mean().unstack("target")
    rows = []
    others = sorted({*scores.index} - {*sides.names, BASELINE})
    named = [name for name in (*sides.names, *others, BASELINE) if name in scores.index]
    for first, second in combinations(named, 2):
        differences = (scores.loc[first] - scores.loc[second]).dropna().to_numpy(float)
        if len(differences) > 1:
            rows.append({"first": first, "second": second, **_over(differences)})
    return pd.DataFrame(rows)


def _over(differences: Array) -> dict[str, object]:
    better, worse = differences > MATTERS, differences < -MATTERS
    return {
        "targets": len(differences),
        "difference": differences.mean(),
        "better": int(better.sum()),
        "equal": int((~better & ~worse).sum()),
        "worse": int(worse.sum()),
        "p": _wilcoxon(differences, "two-sided"),
        "outcome": _outcome(differences),
    }


def _outcome(differences: Array) -> Outcome:
    """Return what holds at 90%: two one-sided tests at 5% against either end of the region."""
    tail = ALPHA / 2
    if _wilcoxon(differences - MATTERS, "greater") < tail:
        return "better"
    if _wilcoxon(differences + MATTERS, "less") < tail:
        return "worse"
    above = _wilcoxon(differences + MATTERS, "greater") < tail
    below = _wilcoxon(differences - MATTERS, "less") < tail
    return "equal" if above and below else "undecided"


def _wilcoxon(
    differences: Array,
    alternative: Literal["two-sided", "greater", "less"],
) -> float:
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences, alternative=alternative).pvalue)
