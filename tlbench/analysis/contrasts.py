"""Differences between a target's candidates, with errors that hold for seeds and rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tlbench.analysis.batches import share
from tlbench.analysis.quantiles import simultaneous
from tlbench.analysis.row_noise import RowNoise

_NO_SPREAD = 1e-6  # equal scores, up to 32-bit rounding: nothing to compute an error from

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """The scores of a target's candidates at one number of seeds.

    Attributes:
        means: of each candidate's scores, (candidates,).
        variances: of a run's score over seeds, (candidates,); NaN with one seed.
        seeds: how many each has, (candidates,).
        noise: of the rows.
        losses: how much too high each mean may be for collapses that were not seen, (candidates,).
    """

    means: Array
    variances: Array
    seeds: Array
    noise: RowNoise
    losses: Array

    @property
    def covariance(self) -> Array:
        """The covariance of the means, (candidates, candidates); over seeds where rows are NaN."""
        return np.diag(self.variances / self.seeds) + np.nan_to_num(self.noise.covariance)

    @property
    def of_seeds_alone(self) -> "Sample":
        """The same, as if no predictions were known."""
        unknown = np.full_like(self.noise.covariance, np.nan)
        return replace(self, noise=replace(self.noise, covariance=unknown))

    @property
    def of_rows_alone(self) -> "Sample":
        """The same, as if all seeds gave one score."""
        return replace(self, variances=np.zeros_like(self.variances))


def sample_of(by_candidate: list[Array], noise: RowNoise, losses: Array | float = 0.0) -> Sample:
    """Return the sample of candidates' scores.

    Args:
        by_candidate: the scores of each one's runs, (seeds,).
        noise: of the rows that they are scored on.
        losses: for collapses that were not seen.
    """
    variances = np.array([s.var(ddof=1) if len(s) > 1 else np.nan for s in by_candidate])
    return Sample(
        means=np.array([scores.mean() for scores in by_candidate]),
        # A few seeds may score alike by chance, as scores have steps of a row.
        variances=np.fmax(variances, noise.least),
        seeds=np.array([len(scores) for scores in by_candidate]),
        noise=noise,
        losses=np.broadcast_to(losses, len(by_candidate)),
    )


@dataclass(frozen=True)
class Contrasts:
    """Every candidate's mean minus that of a control.

    Attributes:
        differences, errors, freedom: (candidates,); the control's own are 0, NaN, NaN. The errors
            are Welch's over seeds, plus the rows'; NaN where there is no spread at all.
        correlation: of the differences, (candidates, candidates).
        has_rows: whether an error holds for rows, (candidates,).
    """

    control: int
    differences: Array
    errors: Array
    freedom: Array
    correlation: Array
    has_rows: NDArray[np.bool_]

    def half_widths(
        self, batches: Integers, sizes: Mapping[int, int], error: float, sides: int
    ) -> Array:
        """Return what the differences are off by, at most, all of them at once; (candidates,).

        Args:
            batches: of each difference, (candidates,).
            sizes: by batch, how many differences its share of the error is for: those without any
                score, or with fewer seeds, are among them.
            error: the probability that any is off by more.
            sides: 1 if only too large differences are errors.
        """
        halves = np.full(len(self.errors), np.nan)
        for batch in {*batches[~np.isnan(self.errors)].tolist()}:
            part = np.flatnonzero((batches == batch) & ~np.isnan(self.errors))
            correlation = np.eye(max(sizes[batch], len(part)))
            correlation[: len(part), : len(part)] = self.correlation[np.ix_(part, part)]
            freedom, allowed = self.freedom[part].min(), error * share(batch)
            halves[part] = simultaneous(correlation, freedom, allowed, sides) * self.errors[part]
        return halves


def against(sample: Sample, control: int) -> Contrasts:
    """Return the contrasts of all candidates with one of them."""
    rows = sample.noise.covariance
    diagonal = np.diag(rows)
    over_rows = diagonal + diagonal[control] - 2 * rows[:, control]
    has_rows = ~np.isnan(over_rows)
    over_rows = np.where(has_rows, over_rows, 0.0).clip(min=0)
    over_seeds = sample.variances / sample.seeds
    total = over_seeds + over_seeds[control] + over_rows
    is_other = np.arange(len(total)) != control
    errors = np.where(is_other & (total > _NO_SPREAD**2), np.sqrt(total), np.nan)
    return Contrasts(
        control=control,
        differences=sample.means - sample.means[control],
        errors=errors,
        freedom=_freedom(sample, control, over_rows),
        correlation=_correlation(sample.covariance, control, errors),
        has_rows=has_rows,
    )


def _freedom(sample: Sample, control: int, over_rows: Array) -> Array:
    """Return degrees of freedom of the errors (Welch 1947), (candidates,)."""
    parts, freedom = sample.variances / sample.seeds, sample.seeds - 1
    rows = max(sample.noise.rows - 1, 1)
    return satterthwaite((parts, freedom), (parts[control], freedom[control]), (over_rows, rows))


def satterthwaite(*parts: tuple[Array | float, Array | float]) -> Array:
    """Return degrees of freedom of a sum of variances (Satterthwaite 1946); NaN if all are 0.

    Args:
        parts: variances, and the degrees of freedom of each.
    """
    total = sum(variance for variance, _ in parts)
    squares = sum(variance**2 / freedom for variance, freedom in parts)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.square(total) / np.asarray(squares))


def _correlation(covariance: Array, control: int, errors: Array) -> Array:
    shared = covariance - covariance[:, [control]] - covariance[[control]]
    shared = shared + covariance[control, control]
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.nan_to_num(shared / np.outer(errors, errors))
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation.clip(-1, 1))
