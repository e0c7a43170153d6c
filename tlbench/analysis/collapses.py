"""What collapses that no run of a candidate has shown yet may take from its mean.

A run that learns nothing, as fine-tuning now and then does (Mosbach et al. 2021), costs so much
that a candidate without one among its few seeds looks better than it is, and its spread does not
show it. How often that happens is told by the runs of all candidates of its strategy together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


def unseen_losses(
    by_candidate: Sequence[Array], learned_nothing: Sequence[NDArray[np.bool_]]
) -> Array:
    """Return how much too high each candidate's mean may be, (candidates,).

    That is the rate of collapses of all runs together (the median of the confidence distribution
    of Clopper and Pearson 1934), times what a collapse costs. One that has shown a collapse has it
    in its own mean and spread. Where no run of any has shown one nothing is allowed for.

    Args:
        by_candidate: the scores of each one's runs, (seeds,).
        learned_nothing: which of them are no better than one word for all rows.
    """
    nothing = np.concatenate(learned_nothing)
    if not nothing.any() or nothing.all():
        return np.zeros(len(by_candidate))
    floor = np.concatenate(by_candidate)[nothing].mean()
    rate = stats.beta.median(nothing.sum() + 1, (~nothing).sum())
    has_shown = np.array([runs.any() for runs in learned_nothing])
    costs = np.array([scores.mean() for scores in by_candidate]) - floor
    return np.where(has_shown, 0.0, rate * costs.clip(min=0))
