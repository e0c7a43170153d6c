"""Computes metrics of many runs under many weightings of the same rows: of dev, to bootstrap.

The same metrics as ``tlbench.tasks.scores`` computes once: there from logits, here from the saved
predictions, for all resamples in a few matrix products. So a correlation is 0 in a resample whose
predictions are all the same, and NaN in one whose labels are: that resample is no run's, and
intervals leave it out for all of them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def score(names: str, labels: Array, predictions: Array, weights: Array) -> Array:
    """Return the mean of the metrics named ``a+b``.

    Args:
        names: the metrics, joined by ``+``.
        labels: (rows,), class indices or numbers.
        predictions: (runs, rows), the same.
        weights: (resamples, rows), how often each row is drawn.

    Returns:
        Scores (runs, resamples), fractions; NaN where a metric is not defined.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        metrics = [METRICS[name](labels, predictions, weights) for name in names.split("+")]
    return np.asarray(np.mean(metrics, axis=0))


def _class_counts(
    labels: Array, predictions: Array, weights: Array, label: float
) -> tuple[Array, Array, Array]:
    """Return the counts of a class in every resample.

    Args:
        labels, predictions, weights: as in ``score``.
        label: the class.

    Returns:
        Rows rightly predicted to be it (runs, resamples), rows predicted to be it (runs,
        resamples), rows of it (resamples,).
    """
    predicted, true = predictions == label, labels == label
    return (predicted & true) @ weights.T, predicted @ weights.T, true @ weights.T


def _f1_of(labels: Array, predictions: Array, weights: Array, label: float) -> Array:
    hit, predicted, true = _class_counts(labels, predictions, weights, label)
    return np.where(predicted + true > 0, 2 * hit / (predicted + true), np.nan)


def _f1(labels: Array, predictions: Array, weights: Array) -> Array:
    return _f1_of(labels, predictions, weights, 1.0)


def _macro_f1(labels: Array, predictions: Array, weights: Array) -> Array:
    classes = np.union1d(labels, predictions)
    each = [_f1_of(labels, predictions, weights, label) for label in classes]
    return np.asarray(np.nanmean(each, axis=0))


def _matthews(labels: Array, predictions: Array, weights: Array) -> Array:
    # Of several classes: Gorodkin (2004), as in scikit-learn.
    rows = weights.sum(axis=1)
    right = (predictions == labels) @ weights.T
    product = squares = true_squares = 0.0 * right
    for label in np.union1d(labels, predictions):
        _, predicted, true = _class_counts(labels, predictions, weights, label)
        product = product + predicted * true
        squares, true_squares = squares + predicted**2, true_squares + true**2
    return _correlation(right * rows - product, rows**2 - squares, rows**2 - true_squares)


def _correlation(covariance: Array, of_predictions: Array, of_labels: Array) -> Array:
    """Return the correlation of a covariance and both variances, up to a factor of all three."""
    ratio = np.where(of_predictions > 0, covariance / np.sqrt(of_predictions * of_labels), 0.0)
    return np.where(of_labels > 0, ratio, np.nan)


def _pearson(labels: Array, predictions: Array, weights: Array) -> Array:
    truth = _centred(labels, weights)
    return np.array([_of_centred(_centred(run, weights), truth, weights) for run in predictions])


def _spearman(labels: Array, predictions: Array, weights: Array) -> Array:
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2  # the mean rank, whatever the ties
    truth = _ranks(labels, weights) - middle
    ranks = (_ranks(run, weights) - middle for run in predictions)
    return np.array([_of_centred(run, truth, weights) for run in ranks])


def _of_centred(x: Array, y: Array, weights: Array) -> Array:
    """Return correlations (resamples,) of values less their means, (resamples, rows)."""
    return _correlation(*((weights * product).sum(axis=1) for product in (x * y, x * x, y * y)))


def _centred(values: Array, weights: Array) -> Array:
    """Return values (rows,) less their mean in every resample, (resamples, rows), and scaled to 1.

    Exactly 0 where all those drawn are equal, and no square is 0 or infinite elsewhere.
    """
    low = np.where(weights > 0, values, np.inf).min(axis=1, keepdims=True)
    shifted = np.where(weights > 0, values - low, 0.0)
    span = shifted.max(axis=1, keepdims=True)
    scaled = np.where(span > 0, shifted / span, 0.0)
    mean = (weights * scaled).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    return np.asarray(scaled - mean)


def _ranks(values: Array, weights: Array) -> Array:
    """Return mean ranks of values (rows,) in every resample, (resamples, rows)."""
    sort = np.argsort(values, kind="stable")
    _, starts, place = np.unique(values[sort], return_index=True, return_inverse=True)
    # Of tied rows all count as the middle one of their places, drawn as often as they are.
    tied = np.add.reduceat(weights[:, sort], starts, axis=1)
    ranks = np.cumsum(tied, axis=1) - (tied - 1) / 2
    back = np.empty_like(sort)
    back[sort] = place
    return np.asarray(ranks[:, back])


# Metrics that are means over rows: the values (runs, rows) that they are means of.
MEANS: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": lambda labels, predictions: (predictions == labels).astype(float),
    "mse": lambda labels, predictions: (predictions - labels) ** 2,
}


def _mean_of(values: Callable[[Array, Array], Array]) -> Callable[[Array, Array, Array], Array]:
    """Return the metric that is the mean over rows of such values."""

    def metric(labels: Array, predictions: Array, weights: Array) -> Array:
        return np.asarray(values(labels, predictions) @ weights.T / weights.sum(axis=1))

    return metric


METRICS: dict[str, Callable[[Array, Array, Array], Array]] = {
    **{name: _mean_of(values) for name, values in MEANS.items()},
    "f1": _f1,
    "macro_f1": _macro_f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}
