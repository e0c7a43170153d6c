"""Metrics of many runs under many weightings of the same rows, for the bootstrap over dev rows.

The same metrics as ``tlbench.tasks.metrics`` computes once: there from logits, here from the saved
predictions, for all resamples in a few matrix products. So a correlation is 0 in a resample whose
predictions are all the same, and NaN in one whose labels are: that resample is no run's, and
intervals leave it out for all of them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def score(names: str, labels: Array, predictions: Array, weights: Array) -> Array:
    """The mean of the metrics named ``a+b``.

    Args:
        labels: (rows,), class indices or numbers.
        predictions: (runs, rows), the same.
        weights: (resamples, rows), how often each row is drawn.

    Returns:
        Scores (runs, resamples), fractions; NaN where a metric is not defined.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        found = [METRICS[name](labels, predictions, weights) for name in names.split("+")]
    return np.asarray(np.mean(found, axis=0))


def _accuracy(labels: Array, predictions: Array, weights: Array) -> Array:
    return np.asarray((predictions == labels) @ weights.T / weights.sum(axis=1))


def _class_counts(
    labels: Array, predictions: Array, weights: Array, label: float
) -> tuple[Array, Array, Array]:
    """For a class: rows of it found, rows said to be it (runs, resamples), rows of it."""
    said, true = predictions == label, labels == label
    return (said & true) @ weights.T, said @ weights.T, true @ weights.T


def _f1(labels: Array, predictions: Array, weights: Array) -> Array:
    hit, said, true = _class_counts(labels, predictions, weights, 1.0)
    return np.where(said + true > 0, 2 * hit / (said + true), np.nan)


def _macro_f1(labels: Array, predictions: Array, weights: Array) -> Array:
    each = []
    for label in np.union1d(labels, predictions):
        hit, said, true = _class_counts(labels, predictions, weights, label)
        each.append(np.where(said + true > 0, 2 * hit / (said + true), np.nan))
    return np.asarray(np.nanmean(each, axis=0))


def _matthews(labels: Array, predictions: Array, weights: Array) -> Array:
    rows = weights.sum(axis=1)
    right = (predictions == labels) @ weights.T
    product = squared_said = squared_true = 0.0 * right
    for label in np.union1d(labels, predictions):
        _, said, true = _class_counts(labels, predictions, weights, label)
        product = product + said * true
        squared_said, squared_true = squared_said + said**2, squared_true + true**2
    return _correlation(right * rows - product, rows**2 - squared_said, rows**2 - squared_true)


def _correlation(covariance: Array, of_predictions: Array, of_labels: Array) -> Array:
    """From the covariance and both variances, up to a factor that all three share."""
    found = np.where(of_predictions > 0, covariance / np.sqrt(of_predictions * of_labels), 0.0)
    return np.where(of_labels > 0, found, np.nan)


def _pearson(labels: Array, predictions: Array, weights: Array) -> Array:
    truth = _centred(labels, weights)
    return np.array([_of_centred(_centred(run, weights), truth, weights) for run in predictions])


def _spearman(labels: Array, predictions: Array, weights: Array) -> Array:
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2  # the mean rank, whatever the ties
    truth = _ranks(labels, weights) - middle
    ranks = (_ranks(run, weights) - middle for run in predictions)
    return np.array([_of_centred(run, truth, weights) for run in ranks])


def _of_centred(x: Array, y: Array, weights: Array) -> Array:
    """Correlations (resamples,) of values less their means, (resamples, rows)."""
    return _correlation(*((weights * product).sum(axis=1) for product in (x * y, x * x, y * y)))


def _centred(values: Array, weights: Array) -> Array:
    """Values (rows,) less their mean in every resample, (resamples, rows), and scaled to 1.

    Exactly 0 where all those drawn are equal, and no square is 0 or infinite elsewhere.
    """
    low = np.where(weights > 0, values, np.inf).min(axis=1, keepdims=True)
    shifted = np.where(weights > 0, values - low, 0.0)
    span = shifted.max(axis=1, keepdims=True)
    scaled = np.where(span > 0, shifted / span, 0.0)
    mean = (weights * scaled).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    return np.asarray(scaled - mean)


def _ranks(values: Array, weights: Array) -> Array:
    """Mean ranks of values (rows,) in every resample, (resamples, rows)."""
    sort = np.argsort(values, kind="stable")
    _, starts, place = np.unique(values[sort], return_index=True, return_inverse=True)
    tied = np.add.reduceat(weights[:, sort], starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    back = np.empty_like(sort)
    back[sort] = place
    return np.asarray(ranks[:, back])


def _mse(labels: Array, predictions: Array, weights: Array) -> Array:
    return np.asarray((predictions - labels) ** 2 @ weights.T / weights.sum(axis=1))


METRICS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "accuracy": _accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
    "mse": _mse,
}
