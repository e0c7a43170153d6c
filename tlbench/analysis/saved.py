"""Finds the saved predictions of runs: what each said of every dev row of its target."""

import os
from collections.abc import Hashable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tlbench.analysis import bootstrap_metrics

_TOLERANCE = 1e-3  # between a record's score, in 32 bits, and that of its predictions

Array = NDArray[np.float64]


class Saved(NamedTuple):
    """A run's predictions of its target's dev rows, each (rows,), sorted by row number."""

    rows: Array
    labels: Array
    predictions: Array


Predictions = Mapping[Hashable, Saved]  # by a run's label in the index of the table of records


class StoredPredictions(Predictions):
    """The predictions of a table's runs, from packed records or the store, read when asked for.

    Args:
        table: records, as ``collect`` gives them.
        packed: by the name of a record's file, the predictions that were packed with it.
    """

    def __init__(self, table: pd.DataFrame, packed: Mapping[str, Saved] | None = None) -> None:
        columns = table[["target", "stages", "store", "file"]]
        self._places = {index: tuple(texts) for index, *texts in columns.itertuples()}
        self._packed = packed or {}

    def __getitem__(self, run: Hashable) -> Saved:
        target, stages, store_dir, file = self._places[run]
        saved = self._packed.get(file) or _read(target, stages, store_dir, file)
        if saved is None:
            raise KeyError(run)
        return saved

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def usable(runs: pd.DataFrame, predictions: Predictions) -> dict[Hashable, Saved]:
    """Return by run the predictions of one target that belong together.

    Those are of the same rows as most others', and give the score that the record has: others are
    of another run of the stage.

    Args:
        runs: with ``score`` and ``metric``.
        predictions: of these runs and others; not of all, maybe.
    """
    found = {run: predictions[run] for run in runs.index if run in predictions}
    if not found:
        return {}
    sizes = pd.Series({run: hash(saved.rows.tobytes()) for run, saved in found.items()})
    first = found[sizes.index[int(np.argmax(sizes == sizes.mode().iloc[0]))]]
    same = {
        run: saved
        for run, saved in found.items()
        # Not to the last digit: versions before kept labels in 32 bits.
        if np.array_equal(saved.rows, first.rows)
        and np.allclose(saved.labels, first.labels, rtol=1e-6)
    }
    metric = str(runs.metric.iloc[0])
    if not set(metric.split("+")) <= bootstrap_metrics.METRICS.keys():
        return same
    stacked = np.array([saved.predictions for saved in same.values()])
    ones = np.ones((1, len(first.rows)))
    scores = bootstrap_metrics.score(metric, first.labels, stacked, ones)[:, 0]
    agrees = np.abs(scores - runs.score[list(same)].to_numpy(float)) < _TOLERANCE
    return {run: saved for (run, saved), ok in zip(same.items(), agrees, strict=True) if ok}


def _read(target: str, stages: str, store_dir: str, file: str) -> Saved | None:
    """Return the predictions of a record's dev rows; None if they are gone.

    Args:
        target: the task.
        stages: the keys of the record's stages, of which the last predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
    """
    store = store_folder(store_dir, file)
    if store is None or not stages:
        return None
    kept_in = store / stages.split()[-1] / "predictions" / f"{target}.parquet"
    try:
        names = ["split", "row", "label", "prediction"]
        kept = pq.read_table(kept_in, columns=names, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None  # pruned, of a store that was cleaned, or damaged: the page counts these
    frame = kept.to_pandas().query("split == 'dev'").sort_values("row")
    return Saved(*(frame[name].to_numpy(float) for name in ("row", "label", "prediction")))


def store_folder(store_dir: str, file: str) -> Path | None:
    """Return the store of a record: of its config's ``store_dir`` and its file; None if gone."""
    return _store(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many


@cache
def _store(store_dir: str, study: str) -> Path | None:
    """Return a study's store: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if store_dir and (p / store_dir).is_dir()), None)
