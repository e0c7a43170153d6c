"""What is known of one choice for a target."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tlbench.analysis.batches import Key

MATTERS = 0.005  # half a point: what is worse by less is not worse
Proved = Literal["better", "not worse", "nothing", "untested"]


@dataclass(frozen=True)
class Candidate:
    """What is known of one choice for a target; scores and gains are fractions.

    Attributes:
        strategy, method, support, support_rows: which it is, as in the table of records.
        seeds: of its runs with a score; without_score: its trained runs that have none; failed:
            those that could not be trained; collapsed: those of its runs that say the same of every
            dev row.
        batch: of candidates that were asked for together; those of the first one is 0.
        look: the seeds that score, gain, interval and set are of, the lowest-numbered: the latest
            of the fixed looks that it and ``single`` have reached; 0 before the first.
        score, gain: means, the gain over ``single``; before the first look of all its seeds.
        low, high: the interval of the gain, together with those of all the target's candidates;
            NaN where there is nothing to compute it from.
        seeds_half: half the width that the interval would have over seeds alone.
        has_rows: whether the interval holds for other dev rows too; without saved predictions it
            holds for other seeds alone.
        row_error: without predictions, the most that the standard error over rows can be, of an
            accuracy; else NaN.
        shrunk: the gain that is expected of it, by empirical Bayes, of all its seeds.
        proved: of the gain, by its interval: ``better``; ``not worse``, by half a point; or
            ``nothing``. ``untested`` without an interval that holds for rows.
        may_be_best: whether it may still be the best of all.
        worse_by: how much better the best of all may be, at most; infinite where that is not known.
        probability: that it is the best, by empirical Bayes; NaN while all have one seed, and where
            predictions of any candidate are missing.
        cost: passes trained for a run, its mean.
    """

    strategy: str
    method: str
    support: str
    support_rows: int
    seeds: int
    without_score: int
    collapsed: int
    batch: int
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
    worse_by: float = np.inf
    probability: float = np.nan
    cost: float = np.nan
    failed: int = 0

    @property
    def key(self) -> Key:
        return self.strategy, self.method, self.support, self.support_rows
