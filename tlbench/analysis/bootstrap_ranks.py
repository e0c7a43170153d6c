"""Computes metrics of rankings under many weightings of the same rows: AUROC, average precision.

Both go down the rows in the order of what a run said of a class, and rows with the same number are
taken together. The same as ``tlbench.tasks.class_metrics`` has them of rows that are drawn as often
as they weigh.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Of the weights of the rows of a class and of the others, (resamples, places) each.
_Ranked = Callable[[Array, Array], Array]


def auroc(labels: Array, probabilities: Array, weights: Array, classes: Sequence[int]) -> Array:
    """Return the mean area under the ROC of classes against the rest.

    That is the probability that a row of the class is above another one, ties counting half
    (Hanley and McNeil 1982).

    Args:
        labels: (rows,), class indices.
        probabilities: (runs, rows, classes).
        weights: (resamples, rows), how often each row is drawn.
        classes: which to average over; those without a row of them or of the others are left out.

    Returns:
        (runs, resamples); NaN where all rows are of one class.
    """
    return _mean(_area, labels, probabilities, weights, classes)


def average_precision(
    labels: Array, probabilities: Array, weights: Array, classes: Sequence[int]
) -> Array:
    """Return the mean average precision of classes against the rest; see ``auroc``.

    That is the precision at every place, averaged by the rows of the class there, as in
    scikit-learn; NaN where no class has a row.
    """
    return _mean(_precision, labels, probabilities, weights, classes)


def _mean(
    metric: _Ranked, labels: Array, probabilities: Array, weights: Array, classes: Sequence[int]
) -> Array:
    shape = len(probabilities), len(weights)
    total, count = np.zeros(shape), np.zeros(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        for at in classes:
            for run, said in enumerate(probabilities[:, :, at]):
                value = metric(*_ranked(said, labels == at, weights))
                total[run] += np.nan_to_num(value)
                count[run] += ~np.isnan(value)
        return np.asarray(np.where(count > 0, total / count, np.nan))


def _ranked(said: Array, is_of: NDArray[np.bool_], weights: Array) -> tuple[Array, Array]:
    """Return the weights of the class and of the others at every place, the highest first."""
    sort = np.argsort(-said, kind="stable")
    _, starts = np.unique(-said[sort], return_index=True)
    both = (weights * is_of, weights * ~is_of)
    mine, others = (np.add.reduceat(part[:, sort], starts, axis=1) for part in both)
    return mine, others


def _area(mine: Array, others: Array) -> Array:
    below = others.sum(axis=1, keepdims=True) - np.cumsum(others, axis=1)
    pairs = mine.sum(axis=1) * others.sum(axis=1)
    return np.asarray((mine * (below + others / 2)).sum(axis=1) / pairs)


def _precision(mine: Array, others: Array) -> Array:
    hits = np.cumsum(mine, axis=1)
    above = hits + np.cumsum(others, axis=1)
    # A place that nothing is drawn of, nor of those above it, has no row and so no part.
    precision = np.where(above > 0, hits / above, 0.0)
    return np.asarray((mine * precision).sum(axis=1) / hits[:, -1])
