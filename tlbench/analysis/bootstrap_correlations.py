"""Computes correlations of numbers under many weightings of the same rows: Pearson's, Spearman's.

Arguments: labels (rows,), predictions (runs, rows), and weights (resamples, rows), how often each
row is drawn. They return (runs, resamples).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pearson(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return Pearson's correlations, 0 of equal predictions and NaN of equal labels."""
    truth = _centred(labels, weights)
    return np.array([_of_centred(_centred(run, weights), truth, weights) for run in predictions])


def spearman(labels: Array, predictions: Array, weights: Array) -> Array:
    """Return Spearman's correlations, 0 of equal predictions and NaN of equal labels."""
    middle = (weights.sum(axis=1, keepdims=True) + 1) / 2  # the mean rank, whatever the ties
    truth = _ranks(labels, weights) - middle
    ranks = (_ranks(run, weights) - middle for run in predictions)
    return np.array([_of_centred(run, truth, weights) for run in ranks])


def correlation(covariance: Array, of_predictions: Array, of_labels: Array) -> Array:
    """Return the correlation of a covariance and both variances, up to a factor of all three."""
    ratio = np.where(of_predictions > 0, covariance / np.sqrt(of_predictions * of_labels), 0.0)
    return np.where(of_labels > 0, ratio, np.nan)


def _of_centred(x: Array, y: Array, weights: Array) -> Array:
    """Return correlations (resamples,) of values less their means, (resamples, rows)."""
    return correlation(*((weights * product).sum(axis=1) for product in (x * y, x * x, y * y)))


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
