"""Intervals of differences between two settings that hold for other seeds and other dev rows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.batches import Key
from tlbench.analysis.candidates import CANDIDATE
from tlbench.analysis.collect import done
from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.contrasts import against, sample_of
from tlbench.analysis.names import Sides
from tlbench.analysis.row_noise import row_noise
from tlbench.analysis.row_vectors import SIZE, RowVectors
from tlbench.records.definitions import BASELINE, NONE

_COLUMNS = ["low", "high"]


def of_comparisons(
    table: pd.DataFrame,
    vectors: Mapping[tuple[str, int], RowVectors],
    comparisons: pd.DataFrame,
    sides: Sides,
) -> pd.DataFrame:
    """Return the intervals of both sides' differences; see ``intervals``."""
    keys = [
        list(_keys(comparisons.assign(strategy=name, method=comparisons[f"method_{side}"])))
        for name, side in zip(sides.names, ("first", "second"), strict=True)
    ]
    return intervals(table, vectors, comparisons, *keys)


def of_gains(
    table: pd.DataFrame, vectors: Mapping[tuple[str, int], RowVectors], gains: pd.DataFrame
) -> pd.DataFrame:
    """Return the intervals of gains over the baseline; see ``intervals``."""
    alone = [(BASELINE, NONE, NONE, 0)] * len(gains)
    return intervals(table, vectors, gains, list(_keys(gains)), alone)


def _keys(frame: pd.DataFrame) -> Iterator[Key]:
    yield from frame[CANDIDATE].itertuples(index=False, name=None)


def intervals(
    table: pd.DataFrame,
    vectors: Mapping[tuple[str, int], RowVectors],
    compared: pd.DataFrame,
    first: Sequence[Key],
    second: Sequence[Key],
) -> pd.DataFrame:
    """Return the t interval of every difference, each for itself; NaN without predictions.

    Args:
        table: records, as ``collect`` gives them.
        vectors: by target and size, what is known of the rows.
        compared: differences, with ``target`` and ``target_rows``.
        first, second: by row of it, what the two sides are.

    Returns:
        ``low`` and ``high``, aligned with ``compared``.
    """
    bounds = pd.DataFrame(np.nan, index=compared.index, columns=_COLUMNS)
    sides = pd.Series(list(zip(first, second, strict=True)), compared.index, dtype=object)
    by_size = dict(iter(done(table).groupby(SIZE)))
    for size, part in compared.groupby(SIZE, sort=False):
        settings = dict(iter(by_size[size].groupby(CANDIDATE)))
        for row in part.index:
            one, other = (settings[key] for key in sides[row])
            bounds.loc[row] = _interval(one, other, vectors[size])
    return bounds


def _interval(
    first: pd.DataFrame, second: pd.DataFrame, vectors: RowVectors
) -> tuple[float, float]:
    seeds = sorted({*first.seed} & {*second.seed})
    sides = [side[side.seed.isin(seeds)].sort_values("seed") for side in (first, second)]
    of_sides = [vectors.of(side.index) for side in sides]
    if len(seeds) < 2 or any(one is None for one in of_sides):
        return np.nan, np.nan
    noise = row_noise(of_sides, vectors.rows)
    contrasts = against(sample_of([side.score.to_numpy(float) for side in sides], noise), 1)
    half = stats.t.ppf(1 - ALPHA / 2, contrasts.freedom[0]) * contrasts.errors[0]
    difference = contrasts.differences[0]
    return float(difference - half), float(difference + half)
