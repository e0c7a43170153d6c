"""Intervals of differences between two settings that hold for other seeds and other dev rows."""

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tlbench.analysis.candidates import CANDIDATE, Key, vectors_of
from tlbench.analysis.collect import done
from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.contrasts import against, sample_of
from tlbench.analysis.names import Sides
from tlbench.analysis.row_noise import row_noise
from tlbench.analysis.saved import Predictions
from tlbench.records.definitions import BASELINE, NONE

_COLUMNS = ["low", "high"]

Array = NDArray[np.float64]


def of_comparisons(
    table: pd.DataFrame, predictions: Predictions, comparisons: pd.DataFrame, sides: Sides
) -> pd.DataFrame:
    """Return the intervals of both sides' differences; see ``intervals``."""
    keys = [
        list(_keys(comparisons.assign(strategy=name, method=comparisons[f"method_{side}"])))
        for name, side in zip(sides.names, ("first", "second"), strict=True)
    ]
    return intervals(table, predictions, comparisons, *keys)


def of_gains(table: pd.DataFrame, predictions: Predictions, gains: pd.DataFrame) -> pd.DataFrame:
    """Return the intervals of gains over the baseline; see ``intervals``."""
    alone = [(BASELINE, NONE, NONE, 0)] * len(gains)
    return intervals(table, predictions, gains, list(_keys(gains)), alone)


def _keys(frame: pd.DataFrame) -> Iterator[Key]:
    yield from frame[CANDIDATE].itertuples(index=False, name=None)


def intervals(
    table: pd.DataFrame,
    predictions: Predictions,
    compared: pd.DataFrame,
    first: Sequence[Key],
    second: Sequence[Key],
) -> pd.DataFrame:
    """Return the t interval of every difference, each for itself; NaN without predictions.

    Args:
        table: records, as ``collect`` gives them.
        predictions: of its runs.
        compared: differences, with ``target`` and ``target_rows``.
        first, second: by row of it, what the two sides are.

    Returns:
        ``low`` and ``high``, aligned with ``compared``.
    """
    bounds = pd.DataFrame(np.nan, index=compared.index, columns=_COLUMNS)
    sides = pd.Series(list(zip(first, second, strict=True)), compared.index, dtype=object)
    by_size = dict(iter(done(table).groupby(["target", "target_rows"])))
    for size, part in compared.groupby(["target", "target_rows"], sort=False):
        scored = by_size[size]
        vectors, rows = vectors_of(scored, predictions)
        if vectors:
            settings = dict(iter(scored.groupby(CANDIDATE)))
            for row in part.index:
                one, other = (settings[key] for key in sides[row])
                bounds.loc[row] = _interval(one, other, vectors, rows)
    return bounds


def _interval(
    first: pd.DataFrame, second: pd.DataFrame, vectors: dict[Hashable, Array], rows: int
) -> tuple[float, float]:
    seeds = sorted({*first.seed} & {*second.seed})
    sides = [side[side.seed.isin(seeds)].sort_values("seed") for side in (first, second)]
    if len(seeds) < 2 or not all(run in vectors for side in sides for run in side.index):
        return np.nan, np.nan
    noise = row_noise([np.array([vectors[run] for run in side.index]) for side in sides], rows)
    contrasts = against(sample_of([side.score.to_numpy(float) for side in sides], noise), 1)
    half = stats.t.ppf(1 - ALPHA / 2, contrasts.freedom[0]) * contrasts.errors[0]
    difference = contrasts.differences[0]
    return float(difference - half), float(difference + half)
