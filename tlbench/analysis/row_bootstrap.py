"""Bootstraps intervals over dev rows: how far a difference depends on which rows dev has.

From the predictions that finished stages keep in the store. Rows are drawn with replacement, the
same for every run of a target, so that runs stay paired on rows as on seeds.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Predictions:
    """What a run says of dev's rows, each (rows,), sorted by row number.

    Attributes:
        second: which rows are in the second half, under cross-fitted selection; else none is.
    """

    labels: Array
    rows: Array
    predictions: Array
    second: NDArray[np.bool_]


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
    labels = next(iter(usable.values())).labels
    metric = str(runs.metric.iloc[0])
    if not set(metric.split("+")) <= bootstrap_metrics.METRICS.keys():
        return {}  # of a task kind outside of the package
    kept = list(usable.values())
    whole = _scores(metric, kept, np.ones((1, len(labels))))[:, 0]
    resampled = np.hstack([_scores(metric, kept, weights) for weights in _draws(len(labels))])
    # Predictions that do not give the record's score are of another run of the stage.
    agrees = np.abs(whole - runs.score[list(usable)].to_numpy()) < _TOLERANCE
    return {index: row for index, row, ok in zip(usable, resampled, agrees, strict=True) if ok}


def _scores(metric: str, kept: Sequence[Predictions], weights: Array) -> Array:
    """Return scores (runs, resamples): of each half of the rows, averaged by what is drawn of it.

    Args:
        metric: names joined by ``+``.
        kept: of every run, with the same labels.
        weights: (resamples, rows), how often each row is drawn.
    """
    scores = np.zeros((len(kept), len(weights)))
    # Runs of one seed share their halves; those without halves are all in the first.
    alike: dict[bytes, list[int]] = defaultdict(list)
    for run, one in enumerate(kept):
        alike[one.second.tobytes()].append(run)
    for runs in alike.values():
        predictions = np.array([kept[run].predictions for run in runs])
        second = kept[runs[0]].second
        for half in (~second, second):
            if half.any():
                part = weights * half
                share = part.sum(axis=1) / weights.sum(axis=1)
                of_half = bootstrap_metrics.score(metric, kept[0].labels, predictions, part)
                scores[runs] += np.where(share > 0, share * of_half, 0.0)
    return scores


def _predictions(runs: pd.DataFrame) -> dict[int, Predictions]:
    """Return by record what ``_read`` finds, of those that predict the same rows as the first."""
    columns = runs[["target", "stages", "store", "file", "selection"]]
    read = {index: _read(*texts) for index, *texts in columns.itertuples()}
    usable = {index: kept for index, kept in read.items() if kept is not None}
    if not usable:
        return {}
    first = next(iter(usable.values()))
    return {
        index: kept
        for index, kept in usable.items()
        # Not to the last digit: versions before kept labels in 32 bits.
        if np.array_equal(kept.rows, first.rows)
        and np.allclose(kept.labels, first.labels, rtol=1e-6)
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


def _read(
    target: str, stages: str, store_dir: str, file: str, selection: str | None
) -> Predictions | None:
    """Return the predictions that a record's score is of; None if they are gone.

    Args:
        target: the task.
        stages: the keys of the record's stages, of which the last predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
        selection: the record's, which says what predicts each row.
    """
    store = _store(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many
    if store is None or not stages:
        return None
    kept_in = store / stages.split()[-1] / "predictions" / f"{target}.parquet"
    try:
        is_crossed = selection == "cross_fit"
        prediction = "prediction_cross_fit" if is_crossed else "prediction"
        names = ["split", "row", "label", prediction, *(["half"] if is_crossed else [])]
        kept = pq.read_table(kept_in, columns=names, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None  # pruned, of a store that was cleaned, or damaged: the page counts these
    frame = kept.to_pandas().query("split == 'dev'").sort_values("row")
    second = frame.half.to_numpy(float) == 1 if is_crossed else np.zeros(len(frame), dtype=bool)
    labels, rows, predictions = (
        frame[name].to_numpy(float) for name in ("label", "row", prediction)
    )
    return Predictions(labels, rows, predictions, second)


@cache
def _store(store_dir: str, study: str) -> Path | None:
    """Return a study's store: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if (p / store_dir).is_dir()), None)
