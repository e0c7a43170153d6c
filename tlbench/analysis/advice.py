"""What to do, per target, in words made from the numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.cells import cells
from tlbench.analysis.comparisons import ALPHA

MATTERS = 0.005  # half a point
EVIDENCE, NO_EVIDENCE, NO_DIFFERENCE, NO_TEST = (
    "evidence",
    "no evidence",
    "no difference that matters",
    "no test",
)
UNDECIDED = "not decided"


@dataclass(frozen=True)
class Advice:
    """The recommendation for a target (at one of its sizes).

    Attributes:
        do: the recommended strategy, in words; against: what it is compared with.
        verdict: one of the four words of this module.
        gain, low, high: of the best candidate, a fraction; the interval holds for all candidates
            of the target together, so that choosing the best of them does not flatter it.
        tried: the candidate of the highest mean, recommended or not.
        collapsed: how many of the runs of both, tried and against, say the same of every row.
    """

    target: str
    target_rows: int
    do: str
    tried: str
    against: str
    verdict: str
    gain: float
    low: float
    high: float
    candidates: int
    majority: float
    collapsed: int

    @property
    def reason(self) -> str:
        """The numbers in a sentence, in points."""
        many = f" (best of {self.candidates})" if self.candidates > 1 else ""
        start = f"{self.tried}{many}: {100 * self.gain:+.1f} points over {self.against}"
        end = f"; {self.collapsed} of their runs collapsed" if self.collapsed else ""
        if self.verdict == NO_TEST:
            return f"{start}; no spread over seeds to test with{end}"
        return f"{start}, 90% interval {100 * self.low:+.1f} to {100 * self.high:+.1f}{end}"


def verdict(low: float, high: float) -> str:
    """What an interval of a gain says."""
    if np.isnan(low) or np.isnan(high):
        return NO_TEST
    if max(-low, high) <= MATTERS:
        return NO_DIFFERENCE
    return EVIDENCE if low > 0 or high < 0 else NO_EVIDENCE


def advise(table: pd.DataFrame, comparisons: pd.DataFrame, gained: pd.DataFrame) -> list[Advice]:
    """One advice a target and size: over ``single``, or without it MTL over STILTs, pair by pair.

    The intervals are those of ``simultaneous``.
    """
    every = cells(table)
    found = []
    for _, group in gained.groupby(["target", "target_rows"], sort=False):
        row, candidates = _best(group)
        names = _name(row.strategy, row.support, row.support_rows, group)
        said = verdict(row.low, row.high)
        do = names if said == EVIDENCE and row.low > 0 else "single"
        do = UNDECIDED if said == NO_TEST else do
        found.append(_advice(row, said, do, names, "single", candidates, every))
    known = {(advice.target, advice.target_rows) for advice in found}
    for (target, rows), group in comparisons.groupby(["target", "target_rows"], sort=False):
        if (target, rows) not in known:
            together = group.assign(**simultaneous(group, one_control=False))
            for row in together.itertuples():
                found.append(_pair_advice(row, group, every))
    return found


def simultaneous(group: pd.DataFrame, one_control: bool) -> pd.DataFrame:
    """Intervals of differences that hold for all rows at once with 90% (Bonferroni).

    The spread is pooled over all scores of the target, as in an analysis of variance: a few seeds
    of one candidate alone say too little of it. Assumes normal scores of equal spread.

    Args:
        one_control: the second side is the same for all rows, and its spread counts once.

    Returns:
        ``low`` and ``high``; NaN without any spread.
    """
    freedom = group.seeds - 1
    counted = freedom.index == freedom.idxmax()
    second = freedom.where(counted, 0) if one_control else freedom
    squares = (freedom * group.sd_first.fillna(0) ** 2).sum()
    squares += (second * group.sd_second.fillna(0) ** 2).sum()
    total = int(freedom.sum() + second.sum())
    pooled = np.sqrt(squares / total) if total and squares > 0 else np.nan
    quantile = stats.t.ppf(1 - ALPHA / len(group) / 2, max(total, 1))
    half = quantile * pooled * np.sqrt(2 / group.seeds)
    return pd.DataFrame({"low": group.difference - half, "high": group.difference + half})


def _best(group: pd.DataFrame) -> "tuple[pd.Series[object], int]":
    """The candidate of the highest mean, and of how many: those that no seed is lost of."""
    together = group.assign(**simultaneous(group, one_control=True))
    enough = together[together.seeds == together.seeds.max()]
    best: pd.Series[object] = enough.loc[enough.difference.idxmax()]
    return best, len(enough)


def _pair_advice(row: "pd.Series[object]", group: pd.DataFrame, every: pd.DataFrame) -> Advice:
    mtl = _name("mtl", row.support, row.support_rows, group)
    stilts = _name("stilts", row.support, row.support_rows, group)
    said = verdict(row.low, row.high)
    do = mtl if row.difference > 0 else stilts
    do = {EVIDENCE: do, NO_TEST: UNDECIDED}.get(said, "either")
    return _advice(row, said, do, mtl, stilts, 1, every)


def _advice(
    row: "pd.Series[object]",
    said: str,
    do: str,
    tried: str,
    against: str,
    n: int,
    every: pd.DataFrame,
) -> Advice:
    of_target = every[every.target == row.target]
    sides = (row.strategy, "single") if against == "single" else ("mtl", "stilts")
    compared = of_target[
        (of_target.target_rows == row.target_rows)
        & of_target.strategy.isin(sides)
        & of_target.support.isin([row.support, "-"])
        & of_target.support_rows.isin([row.support_rows, 0])
    ]
    return Advice(
        target=row.target,
        target_rows=int(row.target_rows),
        do=do,
        tried=tried,
        against=against,
        verdict=said,
        gain=row.difference,
        low=row.low,
        high=row.high,
        candidates=n,
        majority=of_target.majority.mean(),
        collapsed=int(compared.collapsed.sum()),
    )


def _name(strategy: str, support: str, support_rows: int, group: pd.DataFrame) -> str:
    shown = {"mtl": "MTL", "stilts": "STILTs", "mtl_all": "MTL-ALL"}.get(strategy, strategy)
    if support in ("-", "all"):
        return shown
    sizes = group[group.support == support].support_rows.nunique()
    return f"{shown} with {support}" + (f" ({support_rows:,} rows)" if sizes > 1 else "")
