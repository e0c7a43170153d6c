"""Bootstraps intervals over dev rows: how far a difference depends on which rows dev has.

From the saved predictions. Rows are drawn with replacement, the same for every run of a target, so
that runs stay paired on rows as on seeds.
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis import bootstrap_metrics
from tlbench.analysis.collect import PAIR, done
from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.names import THE_PAPERS, Sides
from tlbench.analysis.row_noise import draws
from tlbench.analysis.saved import Predictions, usable

Array = NDArray[np.float64]


def row_intervals(
    table: pd.DataFrame,
    predictions: Predictions,
    comparisons: pd.DataFrame,
    sides: Sides = THE_PAPERS,
) -> pd.DataFrame:
    """Return ``low_rows`` and ``high_rows`` for every comparison; NaN without predictions.

    Args:
        table: records, as ``collect`` gives them.
        predictions: of its runs.
        comparisons: of both sides.
        sides: what was compared.

    Returns:
        Percentile intervals of the mean difference over the common seeds, aligned with
        ``comparisons``.
    """
    columns = ["low_rows", "high_rows"]
    bounds = pd.DataFrame(np.nan, index=comparisons.index, columns=columns)
    runs = done(table)
    runs = runs[runs.strategy.isin(sides.names)]
    # Target by target, so that one target's resamples are held at once.
    for target, of_target in runs.groupby("target", sort=False):
        scores = _resampled(of_target, predictions)
        if not scores:
            continue
        by_side = dict(iter(of_target.groupby(["strategy", "method", *PAIR], sort=False)))
        for row in comparisons[comparisons.target == target].itertuples():
            pair = tuple(getattr(row, key) for key in PAIR)
            first = by_side.get((sides.first, row.method_first, *pair))
            second = by_side.get((sides.second, row.method_second, *pair))
            if first is not None and second is not None:
                bounds.loc[row.Index] = _bounds(first, second, scores)
    return bounds


def _bounds(
    first: pd.DataFrame, second: pd.DataFrame, scores: dict[Hashable, Array]
) -> tuple[float, float]:
    """Return the interval of two sides' mean difference; NaN if a run has no predictions."""
    sides = [side.reset_index().set_index("seed")["index"] for side in (first, second)]
    runs = pd.concat(sides, axis=1, join="inner").to_numpy()
    if not len(runs) or not all(int(run) in scores for run in runs.flat):
        return np.nan, np.nan
    differences = np.mean([scores[int(a)] - scores[int(b)] for a, b in runs], axis=0)
    low, high = np.nanquantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def _resampled(runs: pd.DataFrame, predictions: Predictions) -> dict[Hashable, Array]:
    """Return by run a target's scores under every resample (RESAMPLES,)."""
    saved = usable(runs, predictions)
    metric = str(runs.metric.iloc[0])
    if not saved or not set(metric.split("+")) <= bootstrap_metrics.METRICS.keys():
        return {}  # of a task kind outside of the package
    labels = next(iter(saved.values())).labels
    stacked = np.array([one.predictions for one in saved.values()])
    scores = [bootstrap_metrics.score(metric, labels, stacked, w) for w in draws(len(labels))]
    return dict(zip(saved, np.concatenate(scores, axis=1), strict=True))
