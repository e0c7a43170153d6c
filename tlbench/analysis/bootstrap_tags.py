"""Metrics of rows of words, of many runs under many weightings of the same rows.

From what is counted of each row (``tlbench.tasks.tag_metrics.COUNTS``): the sums over the rows that
are drawn are those of a resample, and entity F1 of them is not a mean over rows.
"""

import numpy as np
from numpy.typing import NDArray

from tlbench.tasks.tag_metrics import OF_COUNTS, of_counts

Array = NDArray[np.float64]

TAG_METRICS = frozenset(OF_COUNTS)


def tag_metric(name: str, counts: Array, weights: Array) -> Array:
    """Return a metric, (runs, resamples), of counts (runs, rows, 6)."""
    return of_counts(name, np.moveaxis(counts.swapaxes(1, 2) @ weights.T, 1, 0))
