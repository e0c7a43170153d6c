"""Bootstraps intervals over dev rows: how far a difference depends on which rows dev has.

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
from tlbench.analysis.collect import PAIR, done
from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.names import THE_PAPERS, Sides

RESAMPLES = 1000
_AT_ONCE = 4_000_000  # weights held at once
_TOLERANCE = 1e-3  # between a record's score, in 32 bits, and that of its predictions

Array = NDArray[np.float64]


def row_intervals(
    table: pd.DataFrame, comparisons: pd.DataFrame, sides: Sides = THE_PAPERS
) -> pd.DataFrame:
    """Return ``low_rows`` and ``high_rows`` for every comparison; NaN without predictions.

    Returns:
        Percentile intervals of the mean difference over the common seeds, aligned with
        ``comparisons``.
    """
    columns = ["low_rows", "high_rows"]
    bounds = pd.DataFrame(np.nan, index=comparisons.index, columns=columns)
    runs = done(table)
    runs = runs[runs.strategy.isin(sides.names) & runs.store.ne("")]
    # Target by target, so that one target's resamples are held at once.
    for target, of_target in runs.groupby("target", sort=False):
        scores = _resampled(of_target)
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
    first: pd.DataFrame, second: pd.DataFrame, scores: dict[int, Array]
) -> tuple[float, float]:
    """Return the interval of two sides' mean difference; NaN if a run has no predictions."""
    sides = [side.reset_index().set_index("seed")["index"] for side in (first, second)]
    runs = pd.concat(sides, axis=1, join="inner").to_numpy()
    if not len(runs) or not all(int(run) in scores for run in runs.flat):
        return np.nan, np.nan
    differences = np.mean([scores[int(a)] - scores[int(b)] for a, b in runs], axis=0)
    low, high = np.nanquantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def _resampled(runs: pd.DataFrame) -> dict[int, Array]:
    """Return by record a target's scores under every resample (RESAMPLES,)."""
    usable = _predictions(runs)
    if not usable:
        return {}
    labels, _, _ = next(iter(usable.values()))
    metric = str(runs.metric.iloc[0])
    if not set(metric.split("+")) <= bootstrap_metrics.METRICS.keys():
        return {}  # of a task kind outside of the package
    predictions = np.array([kept[2] for kept in usable.values()])
    whole = bootstrap_metrics.score(metric, labels, predictions, np.ones((1, len(labels))))[:, 0]
    scores = [bootstrap_metrics.score(metric, labels, predictions, w) for w in _draws(len(labels))]
    resampled = np.concatenate(scores, axis=1)
    # Predictions that do not give the record's score are of another run of the stage.
    agrees = np.abs(whole - runs.score[list(usable)].to_numpy()) < _TOLERANCE
    return {index: row for index, row, ok in zip(usable, resampled, agrees, strict=True) if ok}


def _predictions(runs: pd.DataFrame) -> dict[int, tuple[Array, Array, Array]]:
    """Return by record what ``_read`` finds, of those that predict the same rows as the first."""
    columns = runs[["target", "stages", "store", "file"]]
    read = {index: _read(*texts) for index, *texts in columns.itertuples()}
    usable = {index: kept for index, kept in read.items() if kept is not None}
    if not usable:
        return {}
    labels, rows, _ = next(iter(usable.values()))
    return {
        index: kept
        for index, kept in usable.items()
        # Not to the last digit: versions before kept labels in 32 bits.
        if np.array_equal(kept[1], rows) and np.allclose(kept[0], labels, rtol=1e-6)
    }


def _draws(rows: int) -> Iterator[Array]:
    """Yield resamples as weights (some, rows), a few at a time."""
    random = np.random.default_rng(0)
    size = max(1, _AT_ONCE // rows)
    for start in range(0, RESAMPLES, size):
        count = min(size, RESAMPLES - start)
        drawn = random.integers(rows, size=(count, rows))
        flat = (drawn + rows * np.arange(count)[:, None]).ravel()
        yield np.bincount(flat, minlength=count * rows).reshape(count, rows).astype(float)


def _read(target: str, stages: str, store_dir: str, file: str) -> tuple[Array, Array, Array] | None:
    """Return labels, row numbers and predictions of a record's dev rows; None if they are gone.

    Args:
        target: the task.
        stages: the keys of the record's stages, of which the last predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
    """
    store = store_folder(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many
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
def store_folder(store_dir: str, study: str) -> Path | None:
    """Return a study's store: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if (p / store_dir).is_dir()), None)
