"""From shares, which are fractions, to whole numbers of rows."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def apportion(shares: Floats, total: int) -> Ints:
    """Return whole numbers in the given shares that sum to ``total``.

    By largest remainders (Hamilton's method), as seats of a parliament are apportioned.
    """
    quotas = shares * total
    # A share such as 1/3 x 3 may fall just short of a whole number in floating point.
    counts = np.floor(quotas + 1e-9).astype(np.int64)
    by_remainder = np.argsort(-(quotas - counts), kind="stable")
    counts[by_remainder[: total - counts.sum()]] += 1
    return counts


def fixed_counts(shares: Floats, batch_size: int) -> Ints:
    """Return the rows of each task in every batch, as in the code published by Weller et al. 2022.

    floor(share x batch size), but at least one. Rows that are missing from the batch then are
    given to the largest task; rows in excess are taken from whichever task has most.
    """
    counts = np.maximum(np.floor(shares * batch_size + 1e-9).astype(np.int64), 1)
    counts[np.argmax(shares)] += max(0, batch_size - counts.sum())
    # Many small tasks, with a row each at least, can exceed the batch together.
    while counts.sum() > batch_size:
        counts[np.argmax(counts)] -= 1
    return counts
