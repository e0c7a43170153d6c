"""Judges a target's candidates: intervals and what they prove, what may be best, what to expect."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlbench.analysis.candidates import Runs
from tlbench.analysis.collapses import unseen_losses
from tlbench.analysis.contrasts import Sample, against, sample_of
from tlbench.analysis.judged import MATTERS, Candidate, Proved
from tlbench.analysis.looks import Looks
from tlbench.analysis.row_noise import row_noise
from tlbench.analysis.shrinkage import moderated, posterior
from tlbench.records.definitions import BASELINE

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def sample_of_all(runs: Sequence[Runs], rows: int) -> Sample:
    """Return the sample of all seeds of candidates, which have two or more."""
    return _sample(runs, [len(one.scores) for one in runs], rows)


def _sample(runs: Sequence[Runs], seeds: Sequence[int], rows: int) -> Sample:
    """Return the sample of these runs' lowest-numbered seeds."""
    scores = [one.scores[:count] for one, count in zip(runs, seeds, strict=True)]
    vectors = [one.vectors_of(count) for one, count in zip(runs, seeds, strict=True)]
    losses = _losses(runs, seeds)
    return sample_of(scores, row_noise(vectors, rows), losses)


def _losses(runs: Sequence[Runs], seeds: Sequence[int]) -> Array:
    """Return what unseen collapses may take, by how often those of the same strategy collapse."""
    losses = np.zeros(len(runs))
    for strategy in {one.key[0] for one in runs}:
        alike = [at for at, one in enumerate(runs) if one.key[0] == strategy]
        losses[alike] = unseen_losses(
            [runs[at].scores[: seeds[at]] for at in alike],
            [runs[at].learned_nothing[: seeds[at]] for at in alike],
        )
    return losses


def _batches(runs: Sequence[Runs], control: Runs) -> Integers:
    """Return by candidate the batch that its comparison with a control belongs to, the later."""
    return np.array([max(one.batch, control.batch) for one in runs])


def _sizes(runs: Sequence[Runs], control: Runs) -> Mapping[int, int]:
    """Return by batch how many comparisons with a control there are."""
    return Counter(_batches([one for one in runs if one is not control], control).tolist())


def with_intervals(
    candidates: list[Candidate], runs: list[Runs], rows: int, error: float, looks: Looks
) -> list[Candidate]:
    """Return the candidates with gain, interval and what it proves, each at its latest look."""
    control = next((one for one in runs if one.key[0] == BASELINE), None)
    if control is None or len(control.scores) == 0:
        return candidates
    reached = [looks.latest(min(one.seeds, len(control.scores))) for one in candidates]
    after = [replace(one, look=look) for one, look in zip(candidates, reached, strict=True)]
    for look in sorted({*reached} - {0}):
        there = [at for at, one in enumerate(reached) if one >= look]
        chosen = [runs[at] for at in there]
        sample = _sample(chosen, [look] * len(chosen), rows)
        sizes = _sizes(runs, control)
        found = _gains(chosen, control, sample, sizes, error * looks.share(look))
        for at, gained in zip(there, found, strict=True):
            if reached[at] == look:
                after[at] = replace(after[at], **gained)
    return [
        replace(one, gain=one.score - control.scores.mean()) if one.look == 0 else one
        for one in after
    ]


def _gains(
    chosen: Sequence[Runs], control: Runs, sample: Sample, sizes: Mapping[int, int], error: float
) -> list[dict[str, Any]]:
    """Return by candidate of a look what is known of its gain over the control."""
    at, batches = chosen.index(control), _batches(chosen, control)
    contrasts = against(sample, at)
    alone = against(sample.of_seeds_alone, at).half_widths(batches, sizes, error, sides=2)
    # Rows add freedom as well as variance; what covers more is not said to be narrower for it.
    halves = np.fmax(contrasts.half_widths(batches, sizes, error, sides=2), alone)
    # No gain is larger than the range of the score, whatever two seeds say.
    lows = np.maximum(contrasts.differences - halves - sample.losses, -control.widest)
    highs = np.minimum(contrasts.differences + halves + sample.losses[at], control.widest)
    gained = []
    for place, runs in enumerate(chosen):
        low, has_rows = float(lows[place]), bool(contrasts.has_rows[place])
        one: dict[str, Any] = {
            "score": float(sample.means[place]),
            "gain": float(contrasts.differences[place]),
            "seeds_half": float(alone[place]),
            "has_rows": has_rows,
        }
        if runs is not control:
            one |= {"low": low, "high": float(highs[place]), "proved": _proved(low, has_rows)}
            one["row_error"] = np.nan if has_rows else runs.row_bound(control, sample.noise.rows)
        gained.append(one)
    return gained


def _proved(low: float, has_rows: bool) -> Proved:
    if np.isnan(low) or not has_rows:
        return "untested"
    return "better" if low > 0 else "not worse" if low > -MATTERS else "nothing"


def with_set(
    candidates: list[Candidate], runs: list[Runs], rows: int, error: float, looks: Looks
) -> list[Candidate]:
    """Return the candidates with whether each may be the best, and how far it may be from that.

    Both by Hsu's (1984) multiple comparisons with the best. One is out if any other is certainly
    better, by the one-sided intervals of all others' means minus its own; ``single`` if one is
    proved to be better than it. If the best one's intervals hold, it is not out, and the same
    intervals say of all others how much better it is at most.
    """
    after = list(candidates)
    reached = [looks.latest(one.seeds) for one in candidates]
    is_beaten = any(one.proved == "better" for one in candidates)
    # By how much the first may be better than the second, at most: (candidates, candidates).
    above = np.full((len(runs), len(runs)), np.inf)
    for look in {*reached} - {0}:
        there = [at for at, one in enumerate(reached) if one >= look]
        chosen = [runs[at] for at in there]
        sample = _sample(chosen, [look] * len(there), rows)
        for place, at in enumerate(there):
            if candidates[at].strategy == BASELINE:
                after[at] = replace(candidates[at], may_be_best=not is_beaten)
                above[at] = [-one.low if one.has_rows else np.inf for one in candidates]
            elif reached[at] == look:
                contrasts = against(sample, place)
                pairs = _batches(chosen, runs[at]), _sizes(runs, runs[at])
                bounds = contrasts.half_widths(*pairs, error * looks.share(look), sides=1)
                is_below = (contrasts.differences - sample.losses > bounds) & contrasts.has_rows
                after[at] = replace(candidates[at], may_be_best=not is_below.any())
                most = bounds + sample.losses - contrasts.differences
                above[at, there] = np.where(contrasts.has_rows, most, np.inf)
    np.fill_diagonal(above, 0.0)
    kept = [at for at, one in enumerate(after) if one.may_be_best]
    of_kept = above[kept or [*range(len(after))]]
    worse_by = np.where(np.isnan(of_kept), np.inf, of_kept).max(axis=0)
    return [replace(one, worse_by=float(most)) for one, most in zip(after, worse_by, strict=True)]


def with_belief(candidates: list[Candidate], runs: list[Runs], rows: int) -> list[Candidate]:
    """Return the candidates with the gain to expect and the probability of being the best.

    A belief is no claim, so it needs no looks: it is of all seeds that there are. One with a single
    seed has the spread that others have, so that those that a race leaves behind are in it.
    """
    there = [at for at, one in enumerate(candidates) if one.seeds]
    if not any(one.seeds > 1 for one in candidates):
        return candidates
    chosen, seeds = [runs[at] for at in there], [candidates[at].seeds for at in there]
    sample = _sample(chosen, seeds, rows)
    if not (sample.variances > 0).any():
        return candidates
    variances = moderated(sample.variances, sample.seeds - 1)
    means = sample.means - sample.losses
    belief = posterior(means, replace(sample, variances=variances).covariance)
    # A belief that knows nothing of rows is too sure which is the best.
    has_rows = not np.isnan(sample.noise.covariance).any()
    best = belief.best if has_rows else np.full(len(there), np.nan)
    by_place = dict(zip(there, zip(belief.means, best, strict=True), strict=True))
    of_single = next(
        (by_place[at][0] for at in there if candidates[at].strategy == BASELINE), np.nan
    )
    return [
        replace(one, shrunk=by_place[at][0] - of_single, probability=by_place[at][1])
        if at in by_place
        else one
        for at, one in enumerate(candidates)
    ]
