"""The verdict on a target: the best guess, what is proved of it, and what may still be the best.

What is said holds for seeds and for the rows of dev (``contrasts``), for all of a target's
candidates at once (``quantiles``), and for whoever looks as the seeds come in (``looks``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis import looks
from tlbench.analysis.candidates import Key, Runs, runs_of
from tlbench.analysis.collect import Records, table_of
from tlbench.analysis.contrasts import Sample, against, sample_of
from tlbench.analysis.row_noise import row_noise
from tlbench.analysis.saved import Predictions, StoredPredictions
from tlbench.analysis.shrinkage import moderated, posterior
from tlbench.records.definitions import BASELINE
from tlbench.records.record import ResultRecord

LEVEL = 0.9
MATTERS = 0.005  # half a point: what is worse by less is not worse
Proved = Literal["better", "not worse", "nothing", "untested"]


@dataclass(frozen=True)
class Candidate:
    """What is known of one choice for a target; scores and gains are fractions.

    Attributes:
        strategy, method, support, support_rows: which it is, as in the table of records.
        seeds: of its runs with a score; without_score: its trained runs that have none; collapsed:
            those of its runs that say the same of every dev row.
        look: the seeds that all the following is of, the lowest-numbered: the latest of the fixed
            looks that it and ``single`` have reached; 0 before the first.
        score, gain: means, the gain over ``single``; before the first look of all its seeds.
        low, high: the interval of the gain, together with those of all the target's candidates;
            NaN where there is nothing to compute it from.
        seeds_half: half the width that the interval would have over seeds alone.
        has_rows: whether the interval holds for other dev rows too; without saved predictions it
            holds for other seeds alone.
        row_error: without predictions, the most that the standard error over rows can be, of an
            accuracy; else NaN.
        shrunk: the gain that is expected of it, by empirical Bayes.
        proved: of the gain, by its interval: ``better``; ``not worse``, by half a point; or
            ``nothing``. ``untested`` without an interval that holds for rows.
        may_be_best: whether it may still be the best of all.
        probability: that it is the best, by empirical Bayes; NaN before its first look, and where
            predictions of any candidate are missing.
        cost: instances trained for a run, its mean.
    """

    strategy: str
    method: str
    support: str
    support_rows: int
    seeds: int
    without_score: int
    collapsed: int
    look: int
    score: float
    gain: float = np.nan
    low: float = np.nan
    high: float = np.nan
    seeds_half: float = np.nan
    has_rows: bool = False
    row_error: float = np.nan
    shrunk: float = np.nan
    proved: Proved = "untested"
    may_be_best: bool = True
    probability: float = np.nan
    cost: float = np.nan

    @property
    def key(self) -> Key:
        return self.strategy, self.method, self.support, self.support_rows


@dataclass(frozen=True)
class Verdict:
    """What to do for a target (at one of its sizes), and how sure that is.

    Attributes:
        level: with which every claim of it holds: the intervals of all candidates together, and
            that those that ``may_be_best`` hold the best one.
        candidates: the cheapest first.
        best: the best guess: of the candidates with most seeds that lost no run, the one of the
            highest expected score; None without any score.
        majority: the score of always saying the most frequent label; NaN if not known.
        beats_chance: whether any candidate's mean is above that by more than its error.
    """

    target: str
    target_rows: int
    metric: str
    rows: int
    level: float
    candidates: tuple[Candidate, ...]
    best: Candidate | None
    majority: float
    beats_chance: bool

    @property
    def single(self) -> Candidate | None:
        """The target alone."""
        return next((one for one in self.candidates if one.strategy == BASELINE), None)

    @property
    def may_be_best(self) -> tuple[Candidate, ...]:
        """The candidates of which one is the best, at the level; the cheapest first."""
        return tuple(one for one in self.candidates if one.may_be_best)

    @property
    def proved(self) -> Proved:
        """What is proved of the best guess over ``single``."""
        return "untested" if self.best is None else self.best.proved


def verdict(
    records: Records | pd.DataFrame | Iterable[ResultRecord],
    predictions: Predictions | None = None,
    level: float = LEVEL,
) -> list[Verdict]:
    """Return one verdict for every target and size of it, in the order of the records.

    Args:
        records: as ``collect`` gives them; or records; or any table with one row a run and the
            columns ``target``, ``strategy``, ``seed``, ``score`` (a fraction, NaN for none), and
            ``support`` for strategies that have one. What else ``Records.table`` has may be there:
            ``method``, sizes, ``metric`` (else accuracy), ``majority_score``, ``instances``.
        predictions: by a run's label in the index of the table (records: their place), its row
            numbers, labels and predictions, each (rows,); see ``Saved``. None for those that the
            records' stores and files hold. Where there are none no word is proved.
        level: with which all that is said of a target holds.
    """
    table = table_of(records)
    if predictions is None:
        packed = records.packed if isinstance(records, Records) else {}
        predictions = StoredPredictions(table, packed)
    groups = table.groupby(["target", "target_rows"], sort=False)
    return [_of_target(runs, predictions, level) for _, runs in groups]


def _of_target(table: pd.DataFrame, predictions: Predictions, level: float) -> Verdict:
    runs, rows = runs_of(table, predictions)
    error = 1 - level
    candidates = [_described(one) for one in runs]
    candidates = _with_intervals(candidates, runs, rows, error)
    candidates = _with_set(candidates, runs, rows, error)
    candidates = _with_belief(candidates, runs, rows)
    majority = float(table.majority_score.mean())
    cheapest_first = sorted(candidates, key=lambda one: np.nan_to_num(one.cost))
    return Verdict(
        target=str(table.target.iloc[0]),
        target_rows=int(table.target_rows.iloc[0]),
        metric=str(table.metric.iloc[0]),
        rows=rows,
        level=level,
        candidates=tuple(cheapest_first),
        best=_best_guess(candidates),
        majority=majority,
        beats_chance=_beats_chance(runs, majority, rows, error),
    )


def _described(runs: Runs) -> Candidate:
    strategy, method, support, support_rows = runs.key
    return Candidate(
        strategy=strategy,
        method=method,
        support=support,
        support_rows=support_rows,
        seeds=len(runs.scores),
        without_score=runs.without_score,
        collapsed=runs.collapsed,
        look=looks.latest(len(runs.scores)),
        score=runs.scores.mean() if len(runs.scores) else np.nan,
        cost=runs.cost,
    )


def _sample(runs: Sequence[Runs], seeds: Sequence[int], rows: int) -> Sample:
    """Return the sample of these runs' lowest-numbered seeds."""
    scores = [one.scores[:count] for one, count in zip(runs, seeds, strict=True)]
    vectors = [one.vectors_of(count) for one, count in zip(runs, seeds, strict=True)]
    return sample_of(scores, row_noise(vectors, rows))


def _with_intervals(
    candidates: list[Candidate], runs: list[Runs], rows: int, error: float
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
        contrasts = against(sample, chosen.index(control))
        halves = contrasts.half_widths(len(runs) - 1, error * looks.share(look), sides=2)
        alone = against(sample.of_seeds_alone, chosen.index(control))
        seeds_halves = alone.half_widths(len(runs) - 1, error * looks.share(look), sides=2)
        for place, at in enumerate(there):
            if reached[at] == look:
                score, seeds_half = float(sample.means[place]), float(seeds_halves[place])
                after[at] = _judged(
                    replace(after[at], score=score, seeds_half=seeds_half),
                    float(contrasts.differences[place]),
                    float(halves[place]),
                    bool(contrasts.has_rows[place]),
                    runs[at].row_bound(control, rows),
                    runs[at].widest,
                )
    return [
        replace(one, gain=one.score - control.scores.mean()) if one.look == 0 else one
        for one in after
    ]


def _judged(
    one: Candidate, gain: float, half: float, has_rows: bool, row_error: float, widest: float
) -> Candidate:
    if one.strategy == BASELINE:
        return replace(one, gain=0.0, has_rows=has_rows)
    # No gain is larger than the range of the score, whatever two seeds say.
    low, high = np.maximum(gain - half, -widest), np.minimum(gain + half, widest)
    proved: Proved = "better" if low > 0 else "not worse" if low > -MATTERS else "nothing"
    return replace(
        one,
        gain=gain,
        low=low,
        high=high,
        has_rows=has_rows,
        row_error=np.nan if has_rows else row_error,
        proved="untested" if np.isnan(low) or not has_rows else proved,
    )


def _with_set(
    candidates: list[Candidate], runs: list[Runs], rows: int, error: float
) -> list[Candidate]:
    """Return the candidates with whether each may be the best (Hsu 1984).

    One is out if any other is certainly better, by the one-sided intervals of all others' means
    minus its own; ``single`` if one is proved to be better than it.
    """
    after = list(candidates)
    reached = [looks.latest(one.seeds) for one in candidates]
    is_beaten = any(one.proved == "better" for one in candidates)
    for look in {*reached} - {0}:
        there = [at for at, one in enumerate(reached) if one >= look]
        sample = _sample([runs[at] for at in there], [look] * len(there), rows)
        for place, at in enumerate(there):
            if candidates[at].strategy == BASELINE:
                after[at] = replace(candidates[at], may_be_best=not is_beaten)
            elif reached[at] == look:
                contrasts = against(sample, place)
                bounds = contrasts.half_widths(len(runs) - 1, error * looks.share(look), sides=1)
                is_below = (contrasts.differences > bounds) & contrasts.has_rows
                after[at] = replace(candidates[at], may_be_best=not is_below.any())
    return after


def _with_belief(candidates: list[Candidate], runs: list[Runs], rows: int) -> list[Candidate]:
    """Return the candidates with the gain to expect and the probability of being the best."""
    there = [at for at, one in enumerate(candidates) if one.look]
    if not there:
        return candidates
    sample = _sample([runs[at] for at in there], [candidates[at].look for at in there], rows)
    if not (sample.variances > 0).any():
        return candidates
    variances = moderated(sample.variances, sample.seeds - 1)
    belief = posterior(sample.means, replace(sample, variances=variances).covariance)
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


def _best_guess(candidates: list[Candidate]) -> Candidate | None:
    scored = [one for one in candidates if one.seeds]
    if not scored:
        return None
    # One that lost runs may look better than it is; one of fewer seeds was not tried as hard.
    complete = [one for one in scored if not one.without_score] or scored
    most = max(one.look or one.seeds for one in complete)
    tried = [one for one in complete if (one.look or one.seeds) == most]
    return max(tried, key=lambda one: one.score if np.isnan(one.shrunk) else one.shrunk)


def _beats_chance(runs: list[Runs], majority: float, rows: int, error: float) -> bool:
    """Whether any candidate's mean is above the chance level by more than its own error.

    Tested for all of them together (Bonferroni), over seeds; one seed by the error of a share.
    """
    scored = [one for one in runs if len(one.scores)]
    # Without any score nothing is known of chance, which another sentence says.
    return (
        not scored
        or np.isnan(majority)
        or any(
            one.scores.mean() - majority > _error_bound(one, majority, rows, error / len(scored))
            for one in scored
        )
    )


def _error_bound(one: Runs, majority: float, rows: int, error: float) -> float:
    seeds = len(one.scores)
    if seeds == 1:
        # Where chance is 0 or 1 the score is no share: a correlation's error is about this too.
        share = majority if 0 < majority < 1 else 0.5
        return float(2 * np.sqrt(share * (1 - share) / rows)) if rows else 0.0
    quantile = stats.t.ppf(1 - error, seeds - 1)
    return float(quantile * one.scores.std(ddof=1) / np.sqrt(seeds))
