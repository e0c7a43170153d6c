"""Metrics of rows of several labels, of many runs under many weightings of the same rows.

Arguments: labels (rows, labels) and predictions (runs, rows, labels), each 0 or 1. They are those
of ``tlbench.tasks.multilabel``; micro F1 and accuracy are not what they are of one class a row.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _micro_f1(labels: Array, predictions: Array, weights: Array) -> Array:
    hits, said = (predictions * labels).sum(axis=2), predictions.sum(axis=2)
    return np.asarray(2 * hits @ weights.T / (said @ weights.T + labels.sum(axis=1) @ weights.T))


def _macro_f1(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return the mean over the labels that a drawn row has or is given."""
    total = np.zeros((len(predictions), len(weights)))
    counted = np.zeros_like(total)
    for at in range(labels.shape[1]):  # one after the other, as a task may have thousands
        true, said = labels[:, at], predictions[:, :, at]
        both = said @ weights.T + true @ weights.T
        total += np.where(both > 0, 2 * ((said * true) @ weights.T) / both, 0.0)
        counted += both > 0
    return np.asarray(total / counted)


def _f1_of_rows(labels: Array, predictions: Array) -> Array:
    both = predictions.sum(axis=2) + labels.sum(axis=1)
    return np.where(both > 0, 2 * (predictions * labels).sum(axis=2) / both, 1.0)


def _are_right(labels: Array, predictions: Array) -> Array:
    return np.asarray((predictions == labels).all(axis=2), float)


# Means over rows: the values (runs, rows) that they are means of.
LABEL_MEANS: Mapping[str, Callable[[Array, Array], Array]] = {
    "sample_f1": _f1_of_rows,
    "accuracy": _are_right,
}
# Others: (runs, resamples), of weights (resamples, rows).
LABEL_METRICS: Mapping[str, Callable[[Array, Array, Array], Array]] = {
    "micro_f1": _micro_f1,
    "macro_f1": _macro_f1,
}
