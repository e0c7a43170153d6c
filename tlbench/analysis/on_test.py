"""What the best guess scores on the test rows, which chose nothing: not it, and no weights."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.candidates import scored_runs
from tlbench.analysis.contrasts import Sample, against, sample_of, satterthwaite
from tlbench.analysis.final_predictions import final_predictions
from tlbench.analysis.row_noise import row_noise
from tlbench.analysis.row_vectors import RowVectors, row_vectors
from tlbench.analysis.verdicts import Verdict

Bounds = tuple[float, float]

_NONE = (np.nan, np.nan)


@dataclass(frozen=True)
class OnTest:
    """The best guess of a verdict on test rows; scores and gains are fractions.

    Attributes:
        score: its mean over seeds; gain: over ``single`` with as many, NaN for ``single`` itself
            and where that was not scored.
        score_bounds, gain_bounds: intervals, each for itself: with one choice made before, there
            are no others to count. NaN with one seed.
        seeds, rows: how many were scored.
        has_rows: whether the intervals hold for other rows too, for which it takes predictions.
    """

    score: float
    score_bounds: Bounds
    gain: float
    gain_bounds: Bounds
    seeds: int
    rows: int
    has_rows: bool


def on_test(verdict: Verdict, table: pd.DataFrame) -> OnTest | None:
    """Return how the best guess does on test rows; None without a score on them.

    Args:
        verdict: of one target and size.
        table: records, as ``collect`` gives them.
    """
    if verdict.best is None:
        return None
    size = verdict.target, verdict.target_rows
    scored = table[table.test_score.notna()]
    best = scored_runs(scored, *size, verdict.best.key)
    if best.empty:
        return None
    # Of rows that were exchanged meanwhile, those that the best guess has most runs on.
    same = scored[scored.test_digest == best.test_digest.mode().iloc[0]]
    judged = dict.fromkeys(one for one in (verdict.best, verdict.single) if one is not None)
    sides = [scored_runs(same, *size, one.key) for one in judged]
    sides = [runs for runs in sides if not runs.empty]
    both = pd.concat(sides)
    both = both.assign(score=both.test_score, dev_rows=both.test_rows)
    (vectors,) = row_vectors(both, final_predictions(both)).values()
    return _result(sides, vectors, verdict.level)


def _result(sides: list[pd.DataFrame], vectors: RowVectors, level: float) -> OnTest:
    scores = [runs.test_score.to_numpy(float) for runs in sides]
    means = [float(one.mean()) for one in scores]
    found = OnTest(
        score=means[0],
        score_bounds=_NONE,
        gain=means[0] - means[1] if len(means) > 1 else np.nan,
        gain_bounds=_NONE,
        seeds=len(scores[0]),
        rows=vectors.rows,
        has_rows=False,
    )
    if min(map(len, scores)) < 2:
        return found
    sample = sample_of(scores, row_noise([vectors.of(runs.index) for runs in sides], vectors.rows))
    found = replace(
        found,
        score_bounds=_bounds(found.score, *_error(sample), level),
        has_rows=not np.isnan(sample.noise.covariance).any(),
    )
    if len(means) == 1:
        return found
    contrasts = against(sample, 1)
    bounds = _bounds(found.gain, contrasts.errors[0], contrasts.freedom[0], level)
    return replace(found, gain_bounds=bounds)


def _error(sample: Sample) -> tuple[float, float]:
    """Return the error of the first mean, and its degrees of freedom (Satterthwaite 1946)."""
    over_seeds = float(sample.variances[0] / sample.seeds[0])
    over_rows = max(float(np.nan_to_num(sample.noise.covariance[0, 0])), 0.0)
    freedom = satterthwaite(
        (over_seeds, sample.seeds[0] - 1), (over_rows, max(sample.noise.rows - 1, 1))
    )
    return float(np.sqrt(over_seeds + over_rows)), float(freedom)


def _bounds(centre: float, error: float, freedom: float, level: float) -> Bounds:
    half = stats.t.ppf((1 + level) / 2, freedom) * error
    return float(centre - half), float(centre + half)
