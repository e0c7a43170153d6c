"""Judges the size heuristic: how often it is right, what following it costs, where sizes cross.

Of two strategies it says the first where the target has fewer training rows than the support, the
second elsewhere: in the paper MTL, and STILTs (Weller et al. 2022). A pair is *applicable* where
the paper's test finds a difference.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.names import THE_PAPERS, Sides

HEURISTIC, MAJORITY = "size heuristic", "majority"
_RESAMPLES = 4000


def judge(comparisons: pd.DataFrame, sides: Sides = THE_PAPERS) -> pd.DataFrame:
    """Return the comparisons with what the heuristic says and which side has the higher mean.

    Adds ``heuristic`` and ``winner`` (a side's name; the winner is ``""`` in a tie),
    ``applicable`` and ``miss``: applicable and the heuristic is wrong.
    """
    is_smaller = comparisons.target_rows < comparisons.support_rows
    d = comparisons.difference
    judged = comparisons.assign(
        heuristic=np.where(is_smaller, *sides.names),
        winner=np.select([d > 0, d < 0], sides.names, ""),
        applicable=comparisons.student_p < ALPHA,
    )
    return judged.assign(miss=judged.applicable & (judged.heuristic != judged.winner))


def rules(judged: pd.DataFrame, sides: Sides = THE_PAPERS) -> "dict[str, pd.Series[str]]":
    """Return what each rule says for every pair: the name of a side.

    They are the heuristic, always one side, and the majority: always the side that wins most often
    here, so that no constant rule does better.
    """

    def always(side: str) -> "pd.Series[str]":
        return pd.Series(side, index=judged.index, dtype=object)

    scope = judged[judged.applicable] if judged.applicable.any() else judged
    wins = [int((scope.winner == side).sum()) for side in sides.names]
    return {
        HEURISTIC: judged.heuristic,
        f"always {sides.first_label}": always(sides.first),
        f"always {sides.second_label}": always(sides.second),
        MAJORITY: always(sides.first if wins[0] >= wins[1] else sides.second),
    }


def accuracy(judged: pd.DataFrame, sides: Sides = THE_PAPERS) -> pd.DataFrame:
    """Return each rule's accuracy with two intervals, its regret, and whether it differs.

    The regret is the mean over all pairs of the better strategy's score minus the chosen one's, a
    fraction. The exact binomial interval (``low``, ``high``) treats pairs as independent, which
    pairs of one target are not; the bootstrap over targets and supports (``low_tasks``,
    ``high_tasks``) does not. ``mcnemar_p`` is McNemar's exact test against the heuristic.
    """
    rows = []
    has_winner = judged.winner != ""
    every = rules(judged, sides)
    is_right = {name: choice == judged.winner for name, choice in every.items()}
    for name, choice in every.items():
        row: dict[str, object] = {"rule": name}
        for pairs, part in (("applicable", judged.applicable), ("all", has_winner)):
            n, right = int(part.sum()), int((choice == judged.winner)[part].sum())
            share, low, high = _proportion(right, n)
            row |= {f"{pairs}_pairs": n, f"{pairs}_right": right, f"{pairs}_accuracy": share}
            row |= {f"{pairs}_low": low, f"{pairs}_high": high}
            low, high = two_way_interval(judged[part], is_right[name][part])
            row |= {f"{pairs}_low_tasks": low, f"{pairs}_high_tasks": high}
            row[f"{pairs}_mcnemar_p"] = mcnemar(is_right[HEURISTIC][part], is_right[name][part])
        is_wrong = has_winner & (choice != judged.winner)
        row["regret"] = judged.difference.abs().where(is_wrong, 0.0).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def _proportion(right: int, n: int) -> tuple[float, float, float]:
    if n == 0:
        return np.nan, np.nan, np.nan
    bounds = stats.binomtest(right, n).proportion_ci(1 - ALPHA, method="exact")
    return right / n, bounds.low, bounds.high


def two_way_interval(
    pairs: pd.DataFrame, is_right: "pd.Series[bool]", alpha: float = ALPHA
) -> tuple[float, float]:
    """Return a bootstrap interval of a share of pairs, over targets and supports at once.

    Both are drawn with replacement, each pair counts as often as its target times its support was
    drawn (the pigeonhole bootstrap: Owen 2007), as pairs that share a task go together.

    Args:
        pairs: with ``target`` and ``support``.
        is_right: of each.
        alpha: one less the level.

    Returns:
        NaN with fewer than two targets or supports.
    """
    target, targets = pd.factorize(pairs.target)
    support, supports = pd.factorize(pairs.support)
    if len(targets) < 2 or len(supports) < 2:
        return np.nan, np.nan
    random = np.random.default_rng(0)
    draws = [
        random.multinomial(count, [1 / count] * count, size=_RESAMPLES)
        for count in (len(targets), len(supports))
    ]
    weights = draws[0][:, target] * draws[1][:, support]
    usable = weights[weights.sum(axis=1) > 0]
    shares = usable @ is_right.to_numpy(float) / usable.sum(axis=1)
    low, high = np.quantile(shares, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def mcnemar(first: "pd.Series[bool]", second: "pd.Series[bool]") -> float:
    """Return the exact p of McNemar's test (1947) that two rules are right equally often.

    NaN where they are right in the very same pairs: nothing tells them apart.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return np.nan
    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


@dataclass(frozen=True)
class Regression:
    """A line through the t statistics: ``t = intercept + slope * log10(target / support rows)``.

    Attributes:
        p: of the slope; r2: the share of variance that it explains.
        crossover: the ratio of sizes at which the line is 0; NaN where it can't be located.
        low, high: its interval by Fieller's theorem; None where the slope is not clear enough
            for it to have two ends.
        covariance: of (intercept, slope), for the line's band.
    """

    pairs: int
    intercept: float
    slope: float
    p: float
    r2: float
    crossover: float
    low: float | None
    high: float | None
    covariance: list[list[float]]


def regress(comparisons: pd.DataFrame, alpha: float = ALPHA) -> Regression | None:
    """Fit Student's t on log10(target rows / support rows) by least squares, pairs independent.

    Returns:
        None with fewer than three pairs that have a t, or where all sizes or all t are equal.
    """
    usable = comparisons[comparisons.student_t.notna() & (comparisons.support_rows > 0)]
    x = np.log10(usable.target_rows / usable.support_rows).to_numpy(float)
    t = usable.student_t.to_numpy(float)
    # Two points have a line, and no error of it.
    if len(usable) < 3 or np.ptp(x) == 0 or np.ptp(t) == 0:
        return None
    line = stats.linregress(x, t)
    a, b = float(line.intercept), float(line.slope)
    shared = -x.mean() * line.stderr**2  # the intercept is the mean of t, less slope times mean x
    covariance = np.array([[line.intercept_stderr**2, shared], [shared, line.stderr**2]])
    low, high = fieller(a, b, covariance, stats.t.ppf(1 - alpha / 2, len(usable) - 2))
    return Regression(
        pairs=len(usable),
        intercept=a,
        slope=b,
        p=float(line.pvalue),
        r2=float(line.rvalue**2),
        crossover=np.nan if low is None else 10 ** (-a / b),
        low=None if low is None else 10**low,
        high=None if high is None else 10**high,
        covariance=covariance.tolist(),
    )


def fieller(
    a: float, b: float, covariance: NDArray[np.float64], t: float
) -> tuple[float | None, float | None]:
    """Return the ends of the x at which ``a + b x`` may be 0 (Fieller 1954).

    Args:
        a, b: intercept and slope.
        covariance: of both, (2, 2).
        t: the quantile of Student's distribution at which 0 is left out.

    Returns:
        None, None if the interval is not bounded.
    """
    square = b**2 - t**2 * covariance[1, 1]
    if square <= 0:  # the slope may be 0, so that the line may cross 0 anywhere
        return None, None
    half = a * b - t**2 * covariance[0, 1]
    rest = a**2 - t**2 * covariance[0, 0]
    root = np.sqrt(max(half**2 - square * rest, 0.0))
    return float((-half - root) / square), float((-half + root) / square)
