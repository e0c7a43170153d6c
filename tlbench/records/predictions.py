"""Reads the saved predictions of a run: what it said of every dev row of its target."""

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.special import softmax

from tlbench.tasks.kinds import needs_probabilities
from tlbench.tasks.worst_group import needs_groups

_CROSSED = ["prediction_cross_fit", "half"]
LOGIT, LOGIT_CROSSED = "logit_", "logit_cross_fit_"  # what the names of their columns begin with
COUNTS, COUNTS_CROSSED = "counts", "counts_cross_fit"  # of rows of words
GROUP = "group"  # of rows of a task with groups

Array = NDArray[np.float64]


class Saved(NamedTuple):
    """A run's predictions of dev or test rows of its target, each (rows,), by row number.

    Attributes:
        labels, predictions: of a multilabel task (rows, labels), each 0 or 1.
        halves: under cross-fitted selection the half of each row, 0 or 1: its score is the mean of
            both halves' own. None under any other.
        probabilities: (rows, classes), where the score is of them; else None.
        counts: of a tagging task what is counted of each row, (rows, 6), as
            ``tlbench.tasks.tag_metrics`` has it; labels and predictions are then its number of
            words, and how many of them are right. None of other tasks.
        positive: of two classes the one that F1, AUROC and average precision are of.
        groups: where the score is of the worst group, the number of each row's, (rows,), by name.
    """

    rows: Array
    labels: Array
    predictions: Array
    halves: Array | None = None
    probabilities: Array | None = None
    positive: int = 1
    counts: Array | None = None
    groups: Array | None = None

    @classmethod
    def of_counts(cls, rows: Array, counts: Array, halves: Array | None) -> "Saved":
        """Return what is saved of rows of words."""
        return cls(rows, counts[:, 0], counts[:, 1], halves, counts=counts)


def find_predictions(
    target: str, stage: str, store_dir: str, file: str, selection: str, metric: str
) -> Saved | None:
    """Return the predictions that a record's score is of; None if they are gone.

    Args:
        target: the task.
        stage: the key of the record's last stage, which predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
        selection: the record's, which says what predicts each row.
        metric: what its score is the mean of, names joined by ``+``.
    """
    store = store_folder(store_dir, file)
    if store is None or not stage:
        return None
    crossed = selection == "cross_fit"
    predictions = store / stage / "predictions" / f"{target}.parquet"
    logits = LOGIT_CROSSED if crossed else LOGIT
    return read_split(predictions, "dev", metric, _CROSSED if crossed else ["prediction"], logits)


def read_split(
    file: Path,
    split: str,
    metric: str,
    said: Sequence[str] = ("prediction",),
    logits: str = LOGIT,
) -> Saved | None:
    """Return the predictions of a split's rows that a file holds; None if it is gone or damaged.

    Args:
        file: as a finished stage has it.
        split: whose rows.
        metric: as in ``find_predictions``.
        said: the columns of predictions and, if there are any, of halves.
        logits: what the names of the columns of logits begin with, a number behind it.
    """
    names = ["row", "label", *said]
    try:
        counts = {"prediction": COUNTS, "prediction_cross_fit": COUNTS_CROSSED}[said[0]]
        if counts in pq.read_schema(file).names:
            names[1:3] = [counts]
        of_classes = _logit_columns(file, logits) if needs_probabilities(metric) else []
        of_groups = [GROUP] if needs_groups(metric) else []
        columns = ["split", *names, *of_classes, *of_groups]
        kept = pq.read_table(file, columns=columns, page_checksum_verification=True)
    except (OSError, pa.ArrowInvalid):
        return None  # pruned, of a store that was cleaned, or damaged: the page counts these
    frame = kept.to_pandas()
    frame = frame[frame.split == split].sort_values("row")
    groups = _numbered(frame[GROUP]) if of_groups else None
    if counts in names:
        rows, of_rows, *halves = (_numbers(frame[name]) for name in names)
        saved = Saved.of_counts(rows, of_rows, halves[0] if halves else None)
        return saved._replace(groups=groups)
    rows, labels, predictions, *halves = (_numbers(frame[name]) for name in names)
    saved = Saved(rows, labels, predictions, halves[0] if halves else None, groups=groups)
    if not of_classes:
        return saved
    return saved._replace(probabilities=softmax(frame[of_classes].to_numpy(float), axis=1))


def _numbers(column: pd.Series) -> Array:
    """Return a column, (rows,), or (rows, numbers) where its cells are lists of numbers."""
    if column.dtype == object and len(column):
        return np.stack(column.to_list()).astype(float)
    return np.asarray(column, float)


def _numbered(names: pd.Series) -> Array:
    """Return the number of each name, (rows,), in the order of names."""
    return np.unique(names.astype(str), return_inverse=True)[1].astype(float)


def _logit_columns(file: Path, begin: str) -> list[str]:
    """Return the columns of logits in the order of the classes."""
    names = pq.read_schema(file).names
    of_classes = [n for n in names if n.startswith(begin) and n.removeprefix(begin).isdecimal()]
    return sorted(of_classes, key=lambda name: int(name.removeprefix(begin)))


def store_folder(store_dir: str, file: str) -> Path | None:
    """Return the store of a record: of its config's ``store_dir`` and its file; None if gone."""
    return _store(store_dir, os.path.dirname(os.path.dirname(file)))  # noqa: PTH120 - many


@cache
def _store(store_dir: str, study: str) -> Path | None:
    """Return a study's store: as written, or where that is relative, from a folder above it."""
    places = [Path(), *Path(study).parents]
    return next((p / store_dir for p in places if store_dir and (p / store_dir).is_dir()), None)
