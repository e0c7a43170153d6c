"""LogME: how well a linear model of given features could explain labels (You et al., ICML 2021).

The logarithm of the evidence of a Bayesian linear regression on the features, with its two
precisions chosen by the fixed-point iteration of the authors' journal version (JMLR 2022).
"""

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 11
_ENOUGH = 1e-3  # of a relative change of the ratio of precisions
_LEAST = 1e-5  # keeps a perfect fit from an infinite precision

Array = NDArray[np.float64]


def logme(features: Array, labels: Array, is_classes: bool) -> float:
    """Return the evidence per row; the mean over classes, or labels, each against the others.

    Args:
        features: (rows, any).
        labels: (rows,), whole numbers from 0 of classes, else any; of rows of several labels
            (rows, labels), each 0 or 1.
    """
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    if labels.ndim == 2:
        targets = labels[:, np.ptp(labels, axis=0) > 0]
    else:
        targets = _one_hot(labels) if is_classes else labels[:, None].astype(float)
    return float(np.mean([_evidence(left, singular, y, features.shape) for y in targets.T]))


def _one_hot(labels: Array) -> Array:
    """Return (rows, classes) of the classes that there are."""
    return np.asarray(labels[:, None] == np.unique(labels), float)


def _evidence(left: Array, singular: Array, target: Array, shape: tuple[int, ...]) -> float:
    rows, width = shape
    squares = singular**2
    shown = (left.T @ target) ** 2
    beyond = max(float(target @ target - shown.sum()), 0.0)  # what no feature shows
    alpha = beta = 1.0
    for _ in range(_ROUNDS):
        ratio = alpha / beta
        freedom = (squares / (squares + ratio)).sum()
        weights = (squares * shown / (ratio + squares) ** 2).sum()
        errors = (shown / (1 + squares / ratio) ** 2).sum() + beyond
        alpha, beta = freedom / (weights + _LEAST), (rows - freedom) / (errors + _LEAST)
        if abs(alpha / beta - ratio) <= _ENOUGH * ratio:
            break
    total = (
        width * np.log(alpha)
        + rows * np.log(beta)
        - np.log(alpha + beta * squares).sum()
        - (width - len(squares)) * np.log(alpha)
        - beta * errors
        - alpha * weights
        - rows * np.log(2 * np.pi)
    )
    return float(total / 2 / rows)
