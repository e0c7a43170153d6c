"""Metrics of many runs under many weightings of the same rows, for the bootstrap over dev rows.

The same metrics as ``tlbench.model.metrics`` computes once: there from logits, here from the saved
predictions, for all resamples in a few matrix products.
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
    scale = np.sqrt((rows**2 - squared_said) * (rows**2 - squared_true))
    return np.where(scale > 0, (right * rows - product) / scale, np.nan)


def _pearson(labels: Array, predictions: Array, weights: Array) -> Array:
    rows = weights.sum(axis=1)

    def mean(values: Array) -> Array:
        return np.asarray(values @ weights.T / rows)

    # Centred first, so that the differences of large sums below lose no digits.
    x, y = predictions - predictions.mean(axis=1, keepdims=True), labels - labels.mean()
    covariance = mean(x * y) - mean(x) * mean(y)
    variances = (mean(x**2) - mean(x) ** 2) * (mean(y**2) - mean(y) ** 2)
    return covariance / np.sqrt(np.where(variances > 1e-18, variances, np.nan))


def _spearman(labels: Array, predictions: Array, weights: Array) -> Array:
    truth = _ranks(labels, weights)
    rows = weights.sum(axis=1)
    middle = ((rows + 1) / 2)[:, None]  # the mean rank, whatever the ties

    def covariance(x: Array, y: Array) -> Array:
        return np.asarray((weights * (x - middle) * (y - middle)).sum(axis=1))

    found = []
    for run in predictions:
        ranks = _ranks(run, weights)
        scale = np.sqrt(covariance(ranks, ranks) * covariance(truth, truth))
        found.append(covariance(ranks, truth) / np.where(scale > 0, scale, np.nan))
    return np.array(found)


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
