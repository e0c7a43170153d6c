"""Says what to do, per target, in words made from the numbers."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tlbench.analysis.names import THE_PAPERS, Labels, Sides
from tlbench.analysis.settings import setting_means
from tlbench.analysis.verdicts import EVIDENCE, NO_TEST, simultaneous, verdict
from tlbench.records.definitions import ALL, BASELINE, NONE

UNDECIDED, EITHER = "not decided", "either"


@dataclass(frozen=True)
class Advice:
    """The recommendation for a target (at one of its sizes).

    Attributes:
        do: the recommended candidate, in words; against: what it is compared with.
        verdict: one of the four words of ``verdicts``.
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


def advise(
    table: pd.DataFrame,
    comparisons: pd.DataFrame,
    gained: pd.DataFrame,
    labels: Labels,
    sides: Sides = THE_PAPERS,
) -> list[Advice]:
    """Return one advice a target and size: over the baseline, or without it pair by pair.

    Args:
        table: records, as ``collect`` gives them.
        comparisons: of both sides, for targets without a baseline.
        gained: every setting over the baseline.
        labels: how strategies and methods are called.
        sides: what was compared.

    Returns:
        Advice whose intervals are those of ``simultaneous``.
    """
    means, keys = setting_means(table), ["target", "target_rows"]
    advice = [_over_baseline(g, means, labels) for _, g in gained.groupby(keys, sort=False)]
    advised = {(one.target, one.target_rows) for one in advice}
    for size, group in comparisons.groupby(keys, sort=False):
        if size not in advised:
            advice += _pair_by_pair(group, means, labels, sides)
    return advice


def _over_baseline(group: pd.DataFrame, means: pd.DataFrame, labels: Labels) -> Advice:
    """Return the advice for a target: its best candidate, if that is better than the baseline."""
    together = group.assign(**simultaneous(group, range(len(group)), [BASELINE] * len(group)))
    # One that lost seeds may look better than it is.
    complete = together[together.seeds == together.seeds.max()]
    best = complete.loc[complete.difference.idxmax()]
    tried = _candidate(best, best.strategy, best.method, group, labels)
    baseline, word = labels.candidate(BASELINE, NONE), verdict(best.low, best.high)
    do = tried if word == EVIDENCE and best.low > 0 else baseline
    support = best.support, best.support_rows
    settings = {(best.strategy, best.method, *support), (BASELINE, NONE, NONE, 0)}
    return Advice(
        do=UNDECIDED if word == NO_TEST else do,
        tried=tried,
        against=baseline,
        candidates=len(complete),
        **_numbers(best, settings, means),
    )


def _pair_by_pair(
    group: pd.DataFrame, means: pd.DataFrame, labels: Labels, sides: Sides
) -> list[Advice]:
    """Return an advice for each of a target's pairs: the better side, or either."""
    first, second = (
        list(group[["support", "support_rows", method]].itertuples(index=False, name=None))
        for method in ("method_first", "method_second")
    )
    together = group.assign(**simultaneous(group, first, second))
    return [_of_pair(row, group, means, labels, sides) for _, row in together.iterrows()]


def _of_pair(
    row: "pd.Series[Any]",
    group: pd.DataFrame,
    means: pd.DataFrame,
    labels: Labels,
    sides: Sides,
) -> Advice:
    runs = (sides.first, row.method_first), (sides.second, row.method_second)
    first, second = (_candidate(row, *run, group, labels) for run in runs)
    better = first if row.difference > 0 else second
    choice = {EVIDENCE: better, NO_TEST: UNDECIDED}
    return Advice(
        do=choice.get(verdict(row.low, row.high), EITHER),
        tried=first,
        against=second,
        candidates=1,
        **_numbers(row, {(*run, row.support, row.support_rows) for run in runs}, means),
    )


def _numbers(
    row: "pd.Series[Any]", settings: set[tuple[str, str, str, int]], means: pd.DataFrame
) -> dict[str, Any]:
    """Return what an advice says of a difference and of the settings that it is between."""
    of_target = means[means.target == row.target]
    of_size = of_target[of_target.target_rows == row.target_rows]
    keys = of_size[["strategy", "method", "support", "support_rows"]]
    is_compared = [key in settings for key in keys.itertuples(index=False, name=None)]
    return {
        "target": row.target,
        "target_rows": int(row.target_rows),
        "verdict": verdict(row.low, row.high),
        "gain": row.difference,
        "low": row.low,
        "high": row.high,
        "majority": of_target.majority.mean(),
        "collapsed": int(of_size.collapsed[is_compared].sum()),
    }


def _candidate(
    row: "pd.Series[Any]", strategy: str, method: str, group: pd.DataFrame, labels: Labels
) -> str:
    """Return a candidate in words: ``MTL with mnli``, with the size where the group has several."""
    label = labels.candidate(strategy, method)
    if row.support in (NONE, ALL):
        return label
    sizes = group[group.support == row.support].support_rows.nunique()
    return f"{label} with {row.support}" + (f" ({row.support_rows:,} rows)" if sizes > 1 else "")
