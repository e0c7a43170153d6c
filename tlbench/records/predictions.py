"""Reads the saved predictions of a run: what it said of every dev row of its target."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

_CROSSED = ["prediction_cross_fit", "half"]

Array = NDArray[np.float64]


class Saved(NamedTuple):
    """A run's predictions of dev or test rows of its target, each (rows,), by row number.

    Attributes:
        halves: under cross-fitted selection the half of each row, 0 or 1: its score is the mean of
            both halves' own. None under any other.
    """

    rows: Array
    labels: Array
    predictions: Array
    halves: Array | None = None


def find_predictions(
    target: str, stage: str, store_dir: str, file: str, selection: str
) -> Saved | None:
    """Return the predictions that a record's score is of; None if they are gone.

    Args:
        target: the task.
        stage: the key of the record's last stage, which predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
        selection: the record's, which says what predicts each row.
    """
    store = store_folder(store_dir, file)
    if store is None or not stage:
        return None
    said = _CROSSED if selection == "cross_fit" else ["prediction"]
    return read_split(store / stage / "predictions" / f"{target}.parquet", "dev", said)


def read_split(file: Path, split: str, said: Sequence[str] = ("prediction",)) -> Saved | None:
    """Return the predictions of a split's rows that a file holds; None if it is gone or damaged.

    Args:
        file: as a finished stage has it.
        split: whose rows.
        said: the columns of predictions and, if there are any, of halves.
    """
    names = ["row", "label", *said]
    try:
        kept = pq.read_table(file, columns=["split", *names], page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None  # pruned, of a store that was cleaned, or damaged: the page counts these
    frame = kept.to_pandas()
    frame = frame[frame.split == split].sort_values("row")
    return Saved(*(frame[name].to_numpy(float) for name in names))


def store_folder(store_dir: str, file: str) -> Path | None:
    """Return the store of a record: of its config's ``store_dir`` and its file; None if gone."""
    return _store(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many


@cache
def _store(store_dir: str, study: str) -> Path | None:
    """Return a study's store: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if store_dir and (p / store_dir).is_dir()), None)
