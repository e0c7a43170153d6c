"""Quantiles of many t statistics at once, which share a control and the rows that score them."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special
from scipy.stats import qmc

_POWER = 13  # of 2: points of the quasi-random sample, which make a quantile right to 0.5%
_KEPT = 256  # of their maxima

Array = NDArray[np.float64]


def simultaneous(correlation: Array, freedom: float, error: float, sides: int = 2) -> float:
    """Return what no statistic of a family exceeds, but with probability ``error``.

    That is the equicoordinate quantile of the multivariate t distribution: Dunnett's for one
    control and equal spreads, here for any correlation.

    Args:
        correlation: of the statistics, (statistics, statistics).
        freedom: degrees of freedom that all share.
        error: the probability that any exceeds it.
        sides: 1 if only large statistics count, 2 if their sizes do.
    """
    if len(correlation) == 1:
        return _student(error / sides, freedom)
    maxima = _maxima(correlation, sides)

    def excess(bound: float) -> float:
        # P(max / sqrt(chi2 / freedom) > bound), exact in chi2 given the maxima.
        shown = np.where(maxima > 0, (maxima / bound) ** 2, 0.0)
        return float(special.gammainc(freedom / 2, freedom * shown / 2).mean()) - error

    low = 0.9 * _student(error / sides, freedom)  # of one statistic alone
    high = _student(error / sides / len(correlation), freedom)  # Bonferroni's, of all
    if excess(high) >= 0:
        return high
    return float(optimize.brentq(excess, low, high, xtol=1e-3))


def _student(error: float, freedom: float) -> float:
    return -float(special.stdtrit(freedom, error))


def _maxima(correlation: Array, sides: int) -> Array:
    """Return quantiles of the largest of normal statistics, evenly spaced in probability."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(values.clip(min=0))
    draws = _normal(len(correlation)) @ root.T
    maxima = np.sort((np.abs(draws) if sides == 2 else draws).max(axis=1))
    return np.asarray(maxima.reshape(_KEPT, -1).mean(axis=1))


@cache
def _normal(dimensions: int) -> Array:
    points = qmc.Sobol(dimensions, seed=0).random_base2(_POWER)
    return np.asarray(special.ndtri(points.clip(1e-9, 1 - 1e-9)))
