"""Shrinks a target's scores towards each other: what the best guess is worth, and how likely best.

The highest of many noisy means is too high. Empirical Bayes takes the candidates' true means as
drawn from one normal distribution, whose width the scores themselves tell (Efron and Morris 1975).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

_WIDTHS = np.concatenate([[0.0], np.geomspace(0.05, 20, 40)])  # of typical standard errors
_SCALE = 2.0  # of the prior of widths, in typical standard errors
_TIE = 1e-6  # typical standard errors within which draws are equal
_DRAWS = 12  # 2 to this power: a probability is right to about half a percent

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """What is believed of candidates' true means once their scores are seen.

    Attributes:
        means, errors: and how far the truth may be from these, (candidates,).
        best: the probability that each is the best, (candidates,); they sum to 1.
    """

    means: Array
    errors: Array
    best: Array


def posterior(means: Array, covariance: Array, prior: Array | None = None) -> Posterior:
    """Return the posterior of true means under a common normal prior.

    The prior's centre has a flat prior. Its width is averaged over, under a half-Cauchy prior
    (Gelman 2006): few candidates do not tell it well. Its scale is two typical standard errors: of
    1, 2, 4 and a flat prior, 2 had the least bias over true widths from 0 to 4 errors.

    Args:
        means: of the candidates' scores, (candidates,).
        covariance: of these, over seeds and rows.
        prior: the correlation of the true means, (candidates, candidates); None: there is none.
    """
    prior = np.eye(len(means)) if prior is None else prior
    values, vectors = np.linalg.eigh(covariance)
    # Less the noise of seeds, a covariance over rows may come out a little below 0.
    covariance = vectors @ np.diag(values.clip(min=1e-9 * values.max())) @ vectors.T
    typical = float(np.sqrt(np.median(np.diag(covariance))))
    widths = typical * _WIDTHS
    fits = [_fit(means, covariance, width**2 * prior) for width in widths]
    log_weights = np.array([fit[0] for fit in fits]) + np.log(_prior_mass())
    weights = special.softmax(log_weights)
    centres = np.array([fit[1] for fit in fits])
    uniform = qmc.Sobol(len(means) + 1, seed=0).random_base2(_DRAWS).clip(1e-9, 1 - 1e-9)
    chosen = np.searchsorted(np.cumsum(weights), uniform[:, -1]).clip(max=len(weights) - 1)
    normal = special.ndtri(uniform[:, :-1])
    roots = np.array([_root(fit[2]) for fit in fits])
    draws = centres[chosen] + np.einsum("dij,dj->di", roots[chosen], normal)
    # Some are equal but for rounding: where the width is 0, or two always said the same of a row.
    is_best = draws >= draws.max(axis=1, keepdims=True) - _TIE * typical
    wins = (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)
    within = np.array([np.diag(fit[2]) for fit in fits])
    mean = weights @ centres
    return Posterior(mean, np.sqrt(weights @ (within + (centres - mean) ** 2)), wins)


def _prior_mass() -> Array:
    """Return the half-Cauchy's mass around each of ``_WIDTHS``."""
    edges = np.concatenate([[0.0], (_WIDTHS[1:] + _WIDTHS[:-1]) / 2, [np.inf]])
    return np.diff(2 / np.pi * np.arctan(edges / _SCALE))


def _fit(means: Array, covariance: Array, prior: Array) -> tuple[float, Array, Array]:
    """Return log likelihood, mean and covariance of the true means under a prior's covariance."""
    marginal = np.linalg.inv(covariance + prior)
    precision = marginal.sum()
    centre = marginal.sum(axis=0) @ means / precision
    residual = means - centre
    _, log_determinant = np.linalg.slogdet(marginal)
    likelihood = 0.5 * (log_determinant - np.log(precision) - residual @ marginal @ residual)
    # With a width of 0 all true means are the centre, which is as uncertain as it is.
    gain = prior @ marginal
    spread = prior - gain @ prior
    from_centre = 1 - gain.sum(axis=1)
    covariance_after = spread + np.outer(from_centre, from_centre) / precision
    return float(likelihood), centre + gain @ residual, covariance_after


def _root(covariance: Array) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(values.clip(min=0)))


def moderated(variances: Array, freedom: Array) -> Array:
    """Return variances drawn towards what they have in common, as far as they have (Smyth 2004).

    A variance of a few seeds is known to a factor of two or more. The intervals do without this,
    as it makes one candidate's depend on the others'; a belief about all of them may use it.

    Args:
        variances: (candidates,); one of 0 is taken as the common one.
        freedom: degrees of freedom of each.
    """
    known = (freedom > 0) & (variances > 0)
    if known.sum() < 2:
        return np.where(known, variances, variances[known].mean() if known.any() else np.nan)
    half = freedom[known] / 2
    logs = np.log(variances[known]) - special.digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - special.polygamma(1, half).mean()
    if excess <= 0:  # they differ no more than by chance
        return np.full(len(variances), np.exp(logs.mean()))
    prior = 2 * _inverse_trigamma(excess)
    common = np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    total = np.where(known, freedom, 0)
    return np.asarray((prior * common + total * np.where(known, variances, 0)) / (prior + total))


def _inverse_trigamma(value: float) -> float:
    """Solve ``trigamma(x) = value`` by Newton's method (Smyth 2004, appendix)."""
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = special.polygamma(1, x)
        step = trigamma * (1 - trigamma / value) / special.polygamma(2, x)
        x += step
        if -step / x < 1e-8:
            break
    return float(x)
