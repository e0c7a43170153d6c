"""Compares two strategies pair by pair: three tests, two corrections, effects with intervals.

The paper's rule is Student's t-test over seeds, p < 0.1, uncorrected (Weller et al. 2022,
section 4). Beside it stand Welch's, which allows unequal spread, and the paired test that equal
seeds allow. Both have Holm's and Benjamini and Hochberg's corrections over all pairs, the one
family of tests; Student's has none, as it errs where one side is noisier.
"""

from collections.abc import Sequence, Set
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.collect import PAIR, SETTING, done
from tlbench.analysis.corrections import CORRECTIONS, TESTS, THE_PAPERS_TEST, corrected
from tlbench.analysis.names import THE_PAPERS, VERSUS
from tlbench.records.definitions import BASELINE, NONE

ALPHA = 0.1  # the paper's; every interval is a 90% interval
_NO_SPREAD = 1e-6  # equal scores at all seeds, up to 32-bit rounding: nothing to test with


def compare(
    table: pd.DataFrame, first: str = THE_PAPERS.first, second: str = THE_PAPERS.second
) -> pd.DataFrame:
    """Compare ``first`` with ``second`` for every pair that has seeds in common.

    Where both have a method they are compared at the same one. A side without, as one that trains
    its tasks one after the other, is compared with every method of the other; and where no method
    is of both sides, as of merging and training together, every one with every one.

    Args:
        table: records, as ``collect`` gives them.

    Returns:
        One row a method (or two: ``average vs sum``) and pair, of ``first`` minus ``second``;
        scores, differences and intervals as fractions. Where a test is not defined (one seed, or
        no spread over seeds) its p is NaN.
    """
    scored = done(table)
    columns = [*PAIR, "seed", "method", "score"]
    sides = [scored.loc[scored.strategy == name, columns] for name in (first, second)]
    runs = sides[0].merge(sides[1], on=[*PAIR, "seed"], suffixes=_SIDES)
    compared = methods_compared(*({*side.method} for side in sides))
    both = zip(runs.method_first, runs.method_second, strict=True)
    runs = runs.assign(method=[compared.get(methods) for methods in both])
    keys = ["method", *PAIR, "method_first", "method_second"]
    return corrected(with_tests(runs[runs.method.notna()], keys))


def methods_compared(first: Set[str], second: Set[str]) -> dict[tuple[str, str], str]:
    """Return the methods of two sides at which they are compared, with a name for each two.

    That is the method of both, or of the side that has one, or of neither ``-``.
    """
    alike = bool({*first} & {*second} - {NONE})
    names = {}
    for one, other in product(sorted(first), sorted(second)):
        if one == other or NONE in (one, other):
            names[one, other] = other if one == NONE else one
        elif not alike:
            names[one, other] = VERSUS.join((one, other))
    return names


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every setting with the baseline at the target's same size; see ``compare``."""
    scored = done(table)
    columns = ["target", "target_rows", "seed", "score"]
    baseline = scored.loc[scored.strategy == BASELINE, columns]
    others = scored[scored.strategy != BASELINE]
    runs = others.merge(baseline, on=columns[:-1], suffixes=_SIDES)
    return with_tests(runs, SETTING)


_SIDES = ("_first", "_second")


def with_tests(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Test the differences between two sides' scores over the seeds of every group.

    Args:
        runs: one row a seed, with the scores ``score_first`` and ``score_second``.
        keys: the columns that make a group.

    Returns:
        One row a group: means, spreads, tests and intervals over seeds.
    """
    runs = runs.rename(columns={"score_first": "first", "score_second": "second"})
    runs = runs.assign(difference=runs["first"] - runs["second"])
    grouped = runs.groupby(list(keys), sort=False)
    columns = ["first", "second", "difference"]
    mean, sd = grouped[columns].mean(), grouped[columns].std()
    frame = mean.assign(
        seeds=grouped.size(),
        sd_first=sd["first"],
        sd_second=sd["second"],
        sd_difference=sd["difference"],
    )
    frame = _tests(frame)
    frame["hedges_g"] = hedges_g(frame)
    return frame.join(seed_interval(frame)).reset_index()


def _tests(frame: pd.DataFrame) -> pd.DataFrame:
    n = frame.seeds.to_numpy()
    first = frame["first"].to_numpy(), frame.sd_first.to_numpy(), n
    second = frame["second"].to_numpy(), frame.sd_second.to_numpy(), n
    spread = (frame.sd_first > _NO_SPREAD) | (frame.sd_second > _NO_SPREAD)
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, equal in (("student", True), ("welch", False)):
            t, p = stats.ttest_ind_from_stats(*first, *second, equal_var=equal)
            frame[f"{name}_t"] = pd.Series(t, frame.index).where(spread)
            frame[f"{name}_p"] = pd.Series(p, frame.index).where(spread)
        t = frame.difference / (frame.sd_difference / np.sqrt(frame.seeds))
    # Over differences of the same seeds: what a seed draws for both sides is not in their spread.
    frame["paired_t"] = t.where(frame.sd_difference > _NO_SPREAD)
    frame["paired_p"] = 2 * stats.t.sf(frame.paired_t.abs(), frame.seeds - 1)
    return frame


def seed_interval(frame: pd.DataFrame, alpha: float = ALPHA) -> pd.DataFrame:
    """Return Welch's t interval of the mean difference over seeds; NaN where there is no spread.

    Not a bootstrap over seeds: of so few it covers 86 to 88% where it says 90, the t interval 89
    to 95.
    """
    variances = frame.sd_first**2, frame.sd_second**2
    total = sum(variances)
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (frame.seeds - 1) * total**2 / sum(variance**2 for variance in variances)
    half = stats.t.ppf(1 - alpha / 2, freedom) * np.sqrt(total / frame.seeds)
    half = pd.Series(half, frame.index).where(frame.welch_p.notna())
    bounds = {"low_seeds": frame.difference - half, "high_seeds": frame.difference + half}
    return pd.DataFrame(bounds)


def hedges_g(frame: pd.DataFrame) -> "pd.Series[float]":
    """Return differences in standard deviations over seeds, corrected for few (Hedges 1981)."""
    pooled = np.sqrt((frame.sd_first**2 + frame.sd_second**2) / 2)
    correction = 1 - 3 / (4 * (2 * frame.seeds - 2) - 1)
    return (correction * frame.difference / pooled).where(pooled > _NO_SPREAD)


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Count by test the pairs that are significant, uncorrected and under each correction."""
    rows = []
    for test in (THE_PAPERS_TEST, *TESTS):
        row = {"test": test, "pairs": int(frame[f"{test}_p"].notna().sum())}
        for name in ("p", *CORRECTIONS):
            p = frame.get(f"{test}_{name}")
            row[name] = pd.NA if p is None else int((p < ALPHA).sum())
        rows.append(row)
    return pd.DataFrame(rows)
