"""About what it would take to tell the best guess and its nearest rival apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tlbench.analysis.candidates import Runs
from tlbench.analysis.contrasts import against
from tlbench.analysis.judged import Candidate
from tlbench.analysis.judging import sample_of_all
from tlbench.analysis.looks import EVER, LOOKS
from tlbench.analysis.verdicts import Verdict

_ROWS_AT = 10  # seeds of each, for which rows are counted


@dataclass(frozen=True)
class Apart:
    """What a difference as large as the measured one would take to be certain.

    Attributes:
        rival: whose expected score is nearest to the best guess's, of those with two seeds or more.
        difference: of their means, the best guess's minus the rival's, a fraction.
        seeds: of each, on these rows of dev; None where no number is enough.
        rows: of dev, with ten seeds each; None where no number is enough, or it is not known.
    """

    rival: Candidate
    difference: float
    seeds: int | None
    rows: int | None


def apart(verdict: Verdict, runs: Sequence[Runs], rows: int) -> Apart | None:
    """Return what it takes; None without two candidates of two seeds.

    It takes the spreads that were seen for the true ones and the normal quantile for that of all
    the target's candidates (Bonferroni's), at the look that spends most.

    Args:
        runs: of all candidates of the verdict.
        rows: how many dev has.
    """
    known = [one for one in verdict.may_be_best if one.seeds > 1 and not np.isnan(one.shrunk)]
    others = [one for one in known if one is not verdict.best]
    if verdict.best not in known or verdict.best is None or not others:
        return None
    rival = max(others, key=lambda one: one.shrunk)
    by_key = {one.key: one for one in runs}
    sample = sample_of_all([by_key[one.key] for one in (verdict.best, rival)], rows)
    difference = float(sample.means[0] - sample.means[1])
    over_seeds = float(sample.variances.sum())  # of one seed of each
    over_rows = float(against(sample.of_rows_alone, 1).errors[0])
    error = (1 - verdict.level) * max(map(EVER.share, LOOKS))
    most = (abs(difference) / stats.norm.isf(error / max(len(runs) - 1, 1))) ** 2
    left = most - np.nan_to_num(over_rows) ** 2
    seeds = math.ceil(over_seeds / left) if left > 0 else None
    left = most - over_seeds / _ROWS_AT
    is_known = over_rows > 0 and left > 0
    return Apart(
        rival, difference, seeds, math.ceil(rows * over_rows**2 / left) if is_known else None
    )
