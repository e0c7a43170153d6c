"""What choosing and reporting on the same dev rows adds to scores, and what is not clean of it."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.collect import done
from tlbench.analysis.comparisons import ALPHA


@dataclass(frozen=True)
class Optimism:
    """How much higher dev-selected scores are than cross-fitted ones; fractions.

    Attributes:
        mean: over the runs.
        low, high: of its interval; NaN where all runs share their rows and their halves.
        runs: how many have both scores, the latter a clean one.
    """

    mean: float
    low: float
    high: float
    runs: int


def optimism(table: pd.DataFrame) -> Optimism | None:
    """Return the optimism of dev-selected scores; None if no run has both.

    The interval is Student's t with an error that is robust to clusters (Cameron and Miller 2015, A
    Practitioner's Guide to Cluster-Robust Inference): runs of one target and seed share dev's rows
    and halves.

    Args:
        table: records, as ``collect`` gives them.
    """
    runs = done(table)
    clean = runs[runs.dev_read_by.eq("") & runs.score_cross_fit.notna() & runs.score_dev.notna()]
    if clean.empty:
        return None
    differences = clean.score_dev - clean.score_cross_fit
    mean, count = float(differences.mean()), len(clean)
    sums = (differences - mean).groupby([clean.target, clean.seed]).sum()
    clusters = len(sums)
    if clusters == 1:
        return Optimism(mean, math.nan, math.nan, count)
    error = math.sqrt(clusters / (clusters - 1) * float(np.sum(sums**2))) / count
    half = float(stats.t.ppf(1 - ALPHA / 2, clusters - 1)) * error
    return Optimism(mean, mean - half, mean + half, count)


def notices(table: pd.DataFrame) -> list[str]:
    """Return the optimism of dev, and which cross-fitted scores that are reported are not clean."""
    sentences = []
    if found := optimism(table):
        interval = ""
        if not math.isnan(found.low):
            level = round(100 * (1 - ALPHA))
            interval = f" ({level}% interval {100 * found.low:+.1f} to {100 * found.high:+.1f})"
        sentences.append(
            f"Dev-selected scores are on average {100 * found.mean:+.1f}{interval} points above "
            f"cross-fitted ones over {found.runs:,} run{'s' if found.runs > 1 else ''}."
        )
    scored = done(table)
    unclean = scored[scored.selection.eq("cross_fit") & scored.dev_read_by.ne("")]
    if len(unclean):
        example, theirs = unclean.dev_read_by.iloc[0], ", ".join(unclean.label.unique())
        sentences.append(
            f"Cross-fitted scores that are not clean: {len(unclean):,} of {len(scored):,}, those "
            f"of {theirs}; all of the target's dev rows have decided more than the last choice, as "
            f"{example}."
        )
    return sentences
