"""Reads the saved predictions of a run: what it said of every dev row of its target."""

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Saved(NamedTuple):
    """A run's predictions of its target's dev rows, each (rows,), sorted by row number."""

    rows: Array
    labels: Array
    predictions: Array


def find_predictions(target: str, stage: str, store_dir: str, file: str) -> Saved | None:
    """Return the predictions of a record's dev rows; None if they are gone.

    Args:
        target: the task.
        stage: the key of the record's last stage, which predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
    """
    store = _store(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many
    if store is None or not stage:
        return None
    kept_in = store / stage / "predictions" / f"{target}.parquet"
    try:
        names = ["split", "row", "label", "prediction"]
        kept = pq.read_table(kept_in, columns=names, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None  # pruned, of a store that was cleaned, or damaged: the page counts these
    frame = kept.to_pandas().query("split == 'dev'").sort_values("row")
    return Saved(*(frame[name].to_numpy(float) for name in ("row", "label", "prediction")))


@cache
def _store(store_dir: str, study: str) -> Path | None:
    """Return a study's store: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if store_dir and (p / store_dir).is_dir()), None)
