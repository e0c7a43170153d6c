"""How far a target's scores depend on which rows dev has: their covariance over rows.

All runs of a target are scored on the same rows, so that no number of seeds averages these out.
The variance of a mean score over rows and seeds is that over seeds, of a run's score on these rows,
plus that over rows, of what the seeds have in common. Both are crossed, so the noise that seeds
leave in the second is subtracted (components of variance of a two-way layout).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tlbench.analysis import bootstrap_metrics
from tlbench.analysis.saved import scores_of
from tlbench.records.predictions import Saved

RESAMPLES = 1000
_AT_ONCE = 4_000_000  # weights held at once

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowNoise:
    """What rows and seeds do to the mean scores of a target's candidates.

    Attributes:
        covariance: of the mean scores over rows, (candidates, candidates); NaN for a candidate
            whose predictions are missing. The noise of seeds is subtracted.
        least: the variance over seeds that a run's score has at the least, (candidates,): that of
            seeds that err on each row independently. NaN with one seed.
        rows: how many rows.
    """

    covariance: Array
    least: Array
    rows: int


def deviations(metric: str, saved: Sequence[Saved]) -> Array | None:
    """Return how every run's score varies with the rows, as vectors.

    Args:
        metric: names joined by ``+``.
        saved: of every run, with the same rows and labels.

    Returns:
        (runs, any): the product with another run's is the covariance of both scores over rows.
        Exact for means over rows, else by a bootstrap over rows; None for a metric that a
        user brings, by ``more_metrics`` or a task kind.
    """
    rows = len(saved[0].rows)
    form = bootstrap_metrics.form_of(saved[0])
    means = bootstrap_metrics.means_of(form)
    if metric in means:
        # Halves change nothing: a mean of means by their rows is the mean.
        predictions = np.array([one.predictions for one in saved])
        with np.errstate(divide="ignore", invalid="ignore"):
            values = means[metric](saved[0].labels, predictions)
        return np.asarray(_centred(values) / np.sqrt(rows * max(rows - 1, 1)))
    if not bootstrap_metrics.can_resample(metric, form):
        return None
    scores = [scores_of(metric, saved, weights) for weights in draws(rows)]
    resampled = np.concatenate(scores, axis=1)
    is_defined = ~np.isnan(resampled).any(axis=0)
    return np.asarray(_centred(resampled[:, is_defined]) / np.sqrt(max(is_defined.sum() - 1, 1)))


def _centred(values: Array) -> Array:
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def row_noise(by_candidate: Sequence[Array | None], rows: int) -> RowNoise:
    """Return the noise of candidates' mean scores.

    Args:
        by_candidate: the ``deviations`` of each one's runs, (seeds, any); None if any is missing.
        rows: how many rows were scored.
    """
    count = len(by_candidate)
    covariance, least = np.full((count, count), np.nan), np.full(count, np.nan)
    known = [at for at, runs in enumerate(by_candidate) if runs is not None]
    runs = [runs for runs in by_candidate if runs is not None]
    if not runs:
        return RowNoise(covariance, least, rows)
    means = np.array([of_seeds.mean(axis=0) for of_seeds in runs])
    covariance[np.ix_(known, known)] = means @ means.T
    for at, of_seeds, mean in zip(known, runs, means, strict=True):
        seeds = len(of_seeds)
        if seeds > 1:
            least[at] = ((of_seeds - mean) ** 2).sum() / (seeds - 1)
            covariance[at, at] -= least[at] / seeds
    return RowNoise(covariance, least, rows)


def draws(rows: int) -> Iterator[Array]:
    """Yield ``RESAMPLES`` resamples of rows as weights (some, rows), a few at a time."""
    random = np.random.default_rng(0)
    size = max(1, _AT_ONCE // rows)
    for start in range(0, RESAMPLES, size):
        count = min(size, RESAMPLES - start)
        drawn = random.integers(rows, size=(count, rows))
        flat = (drawn + rows * np.arange(count)[:, None]).ravel()
        yield np.bincount(flat, minlength=count * rows).reshape(count, rows).astype(float)
