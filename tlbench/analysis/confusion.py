"""Where runs err: scores by class and a confusion matrix, or predicted against true numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlbench.records.predictions import Saved

_BINS = 10  # of a regression's rows, by what was predicted

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ByClass:
    """How right runs are of each class, or of each label of a multilabel task; means over seeds.

    Attributes:
        classes: their names.
        rows: of dev, by true class, (classes,).
        precision, recall, f1: (classes,); precision is 0 for a class that is never predicted, as
            in scikit-learn; recall and F1 are NaN for one without a row.
        seeds: how many runs.
    """

    classes: tuple[str, ...]
    rows: Array
    precision: Array
    recall: Array
    f1: Array
    seeds: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Confusion(ByClass):
    """What runs said of the rows of each class, of which a row has one; means over seeds.

    Attributes:
        shares: of the rows of a class, those predicted to be each, (true, predicted); NaN for a
            class without a row.
    """

    shares: Array


@dataclass(frozen=True, eq=False)
class Calibration:
    """What runs predicted for the numbers that rows have; means over seeds.

    Attributes:
        labels, predictions: (rows,).
        bin_labels, bin_predictions: means of up to ten groups of as many rows, by prediction.
        error: the root of a run's mean squared error.
        seeds: how many runs.
    """

    labels: Array
    predictions: Array
    bin_labels: Array
    bin_predictions: Array
    error: float
    seeds: int


def errors_of(runs: Sequence[Saved], classes: Sequence[str] | None) -> ByClass | Calibration:
    """Return where runs err.

    Args:
        runs: their predictions of the same rows, one or more.
        classes: the names of the task's labels; None for numbers.
    """
    labels = runs[0].labels
    predictions = np.array([run.predictions for run in runs])
    if classes is None:
        return _calibration(labels, predictions)
    names = tuple(map(str, classes))
    if labels.ndim == 2:
        hits = (predictions * labels).sum(axis=1)
        true = np.tile(labels.sum(axis=0), (len(runs), 1))
        return ByClass(**_scores(names, hits, predictions.sum(axis=1), true))
    return _confusion(labels.astype(int), predictions.astype(int), names)


def _confusion(
    labels: NDArray[np.int64], predictions: NDArray[np.int64], classes: tuple[str, ...]
) -> Confusion:
    size = len(classes)
    places = labels * size + predictions
    counts = np.array([np.bincount(of_run, minlength=size**2) for of_run in places])
    counts = counts.reshape(-1, size, size)
    hits = counts.diagonal(axis1=1, axis2=2)
    predicted, true = counts.sum(axis=1), counts.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = (counts / true[:, :, None]).mean(axis=0)
    return Confusion(shares=shares, **_scores(classes, hits, predicted, true))


def _scores(
    classes: tuple[str, ...], hits: NDArray[Any], predicted: NDArray[Any], true: NDArray[Any]
) -> dict[str, Any]:
    """Return the attributes of ``ByClass``.

    Args:
        hits, predicted, true: rows by run and class, (runs, classes): rightly predicted to be of
            it, predicted to be of it, and of it.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "classes": classes,
            "rows": true[0].astype(float),
            "precision": np.where(predicted > 0, hits / predicted, 0.0).mean(axis=0),
            "recall": (hits / true).mean(axis=0),
            "f1": np.where(true > 0, 2 * hits / (predicted + true), np.nan).mean(axis=0),
            "seeds": len(hits),
        }


def _calibration(labels: Array, predictions: Array) -> Calibration:
    means = predictions.mean(axis=0)
    groups = np.array_split(np.argsort(means, kind="stable"), min(_BINS, len(means)))
    return Calibration(
        labels=labels,
        predictions=means,
        bin_labels=np.array([labels[group].mean() for group in groups]),
        bin_predictions=np.array([means[group].mean() for group in groups]),
        error=float(np.sqrt(((predictions - labels) ** 2).mean(axis=1)).mean()),
        seeds=len(predictions),
    )
