"""The size heuristic: how often it is right, what following it costs, where the crossover is.

It says MTL where the target has fewer training rows than the support, STILTs elsewhere (Weller et
al. 2022). A pair is *applicable* where the paper's test finds a difference.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from tlbench.analysis.comparisons import ALPHA

RULES = ("size heuristic", "always MTL", "always STILTs", "majority")


def judge(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons with what the heuristic says and what was found.

    Adds ``heuristic`` and ``winner`` (``mtl``, ``stilts``; the winner is ``""`` in a tie),
    ``applicable`` and ``miss``: applicable and the heuristic is wrong.
    """
    smaller = comparisons.target_rows < comparisons.support_rows
    d = comparisons.difference
    found = comparisons.assign(
        heuristic=np.where(smaller, "mtl", "stilts"),
        winner=np.select([d > 0, d < 0], ["mtl", "stilts"], ""),
        applicable=comparisons.student_p < ALPHA,
    )
    return found.assign(miss=found.applicable & (found.heuristic != found.winner))


def accuracy(judged: pd.DataFrame) -> pd.DataFrame:
    """Each rule's accuracy, with an exact binomial interval, and its regret.

    The regret is the mean over all pairs of the better strategy's score minus the chosen one's, a
    fraction. ``majority`` always says what wins most often here, so no constant rule does better.
    The interval treats pairs as independent.
    """
    rows = []
    for name in RULES:
        choice = choices(judged, name)
        row: dict[str, object] = {"rule": name}
        for cells, part in (("applicable", judged.applicable), ("all", judged.winner != "")):
            n, right = int(part.sum()), int((choice == judged.winner)[part].sum())
            row |= {f"{cells}_pairs": n, f"{cells}_right": right}
            row |= dict(zip(_named(cells), _proportion(right, n), strict=True))
        wrong = (judged.winner != "") & (choice != judged.winner)
        row["regret"] = judged.difference.abs().where(wrong, 0.0).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def choices(judged: pd.DataFrame, rule: str) -> "pd.Series[str]":
    """What a rule of ``RULES`` says for every pair: ``mtl`` or ``stilts``."""
    if rule == "size heuristic":
        return judged.heuristic
    if rule == "majority":
        scope = judged[judged.applicable] if judged.applicable.any() else judged
        often = (scope.winner == "mtl").sum() >= (scope.winner == "stilts").sum()
        return pd.Series("mtl" if often else "stilts", index=judged.index)
    return pd.Series("mtl" if rule == "always MTL" else "stilts", index=judged.index)


def _named(cells: str) -> list[str]:
    return [f"{cells}_{name}" for name in ("accuracy", "low", "high")]


def _proportion(right: int, n: int) -> tuple[float, float, float]:
    if n == 0:
        return np.nan, np.nan, np.nan
    bounds = stats.binomtest(right, n).proportion_ci(1 - ALPHA, method="exact")
    return right / n, bounds.low, bounds.high


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
    """Least squares of Student's t on log10(target rows / support rows), pairs as independent.

    Returns:
        None with fewer than three pairs that have a t, or where all sizes or all t are equal.
    """
    usable = comparisons[comparisons.student_t.notna() & (comparisons.support_rows > 0)]
    x = np.log10(usable.target_rows / usable.support_rows).to_numpy(float)
    t = usable.student_t.to_numpy(float)
    if len(usable) < 3 or np.ptp(x) == 0 or np.ptp(t) == 0:
        return None
    fit = sm.OLS(t, sm.add_constant(x)).fit()
    a, b = map(float, fit.params)
    covariance = fit.cov_params()
    low, high = fieller(a, b, covariance, stats.t.ppf(1 - alpha / 2, fit.df_resid))
    return Regression(
        pairs=len(usable),
        intercept=a,
        slope=b,
        p=float(fit.pvalues[1]),
        r2=float(fit.rsquared),
        crossover=np.nan if low is None else 10 ** (-a / b),
        low=None if low is None else 10**low,
        high=None if high is None else 10**high,
        covariance=covariance.tolist(),
    )


def fieller(
    a: float, b: float, covariance: NDArray[np.float64], t: float
) -> tuple[float | None, ...]:
    """The ends of the x at which ``a + b x`` may be 0 (Fieller 1954); None, None if unbounded."""
    square = b**2 - t**2 * covariance[1, 1]
    if square <= 0:
        return None, None
    half = a * b - t**2 * covariance[0, 1]
    rest = a**2 - t**2 * covariance[0, 0]
    root = np.sqrt(max(half**2 - square * rest, 0.0))
    return float((-half - root) / square), float((-half + root) / square)
