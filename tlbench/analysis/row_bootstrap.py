"""Intervals over dev rows: how far a difference depends on which rows dev happens to have.

From the predictions that finished stages keep in the store. Rows are drawn with replacement, the
same for every run of a target, so that runs stay paired on rows as on seeds.
"""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tlbench.analysis import bootstrap_metrics
from tlbench.analysis.collect import done
from tlbench.analysis.comparisons import ALPHA, PAIR

RESAMPLES = 1000
_AT_ONCE = 4_000_000  # weights held at once
_TOLERANCE = 1e-3  # between a record's score, in 32 bits, and that of its predictions

Array = NDArray[np.float64]


def row_intervals(
    table: pd.DataFrame, frame: pd.DataFrame, first: str = "mtl", second: str | None = "stilts"
) -> pd.DataFrame:
    """``low_rows`` and ``high_rows`` for every pair of a comparison; NaN without predictions.

    Returns:
        Percentile intervals of the mean difference over the common seeds, aligned with ``frame``.
    """
    found = done(table)
    found = found[found.strategy.isin([first, second]) & found.store.ne("")]
    bounds = pd.DataFrame(np.nan, index=frame.index, columns=["low_rows", "high_rows"])
    for target, runs in found.groupby("target", sort=False):
        scores = _resampled(runs)
        if not scores:
            continue
        by_pair = dict(iter(runs.groupby(PAIR, sort=False)))
        for index, *pair in frame.loc[frame.target == target, PAIR].itertuples():
            group = by_pair.get(tuple(pair))
            if group is not None:
                bounds.loc[index] = _bounds(group, scores, first, second)
    return bounds


def _bounds(
    group: pd.DataFrame, scores: dict[int, Array], first: str, second: str | None
) -> tuple[float, float]:
    by_seed = group.reset_index().pivot(index="seed", columns="strategy", values="index")
    if not {first, second} <= set(by_seed.columns):
        return np.nan, np.nan
    runs = by_seed[[first, second]].dropna().astype(int).to_numpy()
    if not len(runs) or not all(int(run) in scores for run in runs.flat):
        return np.nan, np.nan
    differences = np.mean([scores[int(a)] - scores[int(b)] for a, b in runs], axis=0)
    low, high = np.nanquantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def _resampled(runs: pd.DataFrame) -> dict[int, Array]:
    """By record, a target's scores under every resample (RESAMPLES,)."""
    columns = runs[["target", "stages", "store", "file"]]
    read = {index: _read(*texts) for index, *texts in columns.itertuples()}
    usable = {index: found for index, found in read.items() if found is not None}
    if not usable:
        return {}
    labels, rows, _ = next(iter(usable.values()))
    usable = {
        index: found
        for index, found in usable.items()
        # Not to the last digit: versions before kept labels in 32 bits.
        if np.array_equal(found[1], rows) and np.allclose(found[0], labels, rtol=1e-6)
    }
    metric = str(runs.metric.iloc[0])
    predictions = np.array([found[2] for found in usable.values()])
    whole = bootstrap_metrics.score(metric, labels, predictions, np.ones((1, len(labels))))[:, 0]
    scores = [bootstrap_metrics.score(metric, labels, predictions, w) for w in _draws(len(labels))]
    resampled = np.concatenate(scores, axis=1)
    agrees = np.abs(whole - runs.score[list(usable)].to_numpy()) < _TOLERANCE
    return {index: row for index, row, ok in zip(usable, resampled, agrees, strict=True) if ok}


def _draws(rows: int) -> Iterator[Array]:
    """Resamples as weights (some, rows), a few at a time."""
    random = np.random.default_rng(0)
    size = max(1, _AT_ONCE // rows)
    for start in range(0, RESAMPLES, size):
        count = min(size, RESAMPLES - start)
        drawn = random.integers(rows, size=(count, rows))
        flat = (drawn + rows * np.arange(count)[:, None]).ravel()
        yield np.bincount(flat, minlength=count * rows).reshape(count, rows).astype(float)


def _read(target: str, stages: str, store_dir: str, file: str) -> tuple[Array, Array, Array] | None:
    """Labels, row numbers and predictions of a record's dev rows; None if they are gone."""
    store = _store(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many
    if store is None or not stages:
        return None
    kept_in = store / stages.split()[-1] / "predictions" / f"{target}.parquet"
    try:
        names = ["split", "row", "label", "prediction"]
        kept = pq.read_table(kept_in, columns=names, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None  # pruned, of a store that was cleaned, or damaged: the page counts these
    frame = kept.to_pandas().query("split == 'dev'").sort_values("row")
    columns: Sequence[str] = ("label", "row", "prediction")
    label, row, prediction = (frame[name].to_numpy(float) for name in columns)
    return label, row, prediction


@cache
def _store(store_dir: str, study: str) -> Path | None:
    """The store of a study: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if (p / store_dir).is_dir()), None)
