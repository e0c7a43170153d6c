"""MTL against STILTs, pair by pair: three tests, two corrections, effects with intervals.

The paper's rule is Student's t-test over seeds, p < 0.1, uncorrected (Weller et al. 2022,
section 4). Beside it stand Welch's, the paired test that equal seeds allow, and Holm's and
Benjamini and Hochberg's corrections over all pairs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from tlbench.analysis.collect import done

ALPHA = 0.1  # the paper's; every interval is a 90% interval
PAIR = ["target", "support", "target_rows", "support_rows"]
TESTS = ("student", "welch", "paired")
CORRECTIONS = {"holm": "holm", "bh": "fdr_bh"}
_RESAMPLES = 4000
_NO_SPREAD = 1e-6  # equal scores at all seeds, up to 32-bit rounding: nothing to test with
_FEWEST = 4  # seeds: resampling 2 or 3 covers 50 or 76%, 4 or 5 covers 86 or 88%, of the wanted 90%

Array = NDArray[np.float64]


def compare(table: pd.DataFrame, first: str = "mtl", second: str = "stilts") -> pd.DataFrame:
    """``first`` minus ``second`` for every pair that has seeds in common.

    Args:
        table: records, as ``collect`` gives them.

    Returns:
        One row a pair; scores, differences and intervals as fractions. Where a test is not
        defined (one seed, or no spread over seeds) its p is NaN.
    """
    found = done(table)
    keys = [*PAIR, "seed"]
    sides = [found[found.strategy == name].set_index(keys).score for name in (first, second)]
    runs = pd.concat(sides, axis=1, join="inner", keys=["first", "second"]).reset_index()
    return _tested(runs, PAIR)


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Every strategy and support minus ``single`` at the target's same size; see ``compare``."""
    found = done(table)
    alone = found[found.strategy == "single"][["target", "target_rows", "seed", "score"]]
    others = found[found.strategy != "single"]
    runs = others.merge(
        alone, on=["target", "target_rows", "seed"], suffixes=("_first", "_second")
    ).rename(columns={"score_first": "first", "score_second": "second"})
    return _tested(runs, ["strategy", *PAIR])


def _tested(runs: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
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
    frame[["low", "high"]] = interval(frame)
    frame["hedges_g"] = hedges_g(frame)
    bounds = seed_bootstrap(runs, list(keys)).where(frame.sd_difference > _NO_SPREAD)
    return corrected(frame.join(bounds)).reset_index()


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
    frame["paired_t"] = t.where(frame.sd_difference > _NO_SPREAD)
    frame["paired_p"] = 2 * stats.t.sf(frame.paired_t.abs(), frame.seeds - 1)
    return frame


def interval(frame: pd.DataFrame, alpha: float = ALPHA) -> pd.DataFrame:
    """Student's t interval of the mean of the paired differences; NaN where they have no spread."""
    spread = frame.sd_difference.where(frame.sd_difference > _NO_SPREAD)
    quantile = stats.t.ppf(1 - alpha / 2, (frame.seeds - 1).clip(lower=1))
    half = quantile * spread / np.sqrt(frame.seeds)
    return pd.DataFrame({"low": frame.difference - half, "high": frame.difference + half})


def hedges_g(frame: pd.DataFrame) -> "pd.Series[float]":
    """The difference in standard deviations over seeds, small samples corrected (Hedges 1981)."""
    pooled = np.sqrt((frame.sd_first**2 + frame.sd_second**2) / 2)
    correction = 1 - 3 / (4 * (2 * frame.seeds - 2) - 1)
    return (correction * frame.difference / pooled).where(pooled > _NO_SPREAD)


def seed_bootstrap(runs: pd.DataFrame, keys: list[str], alpha: float = ALPHA) -> pd.DataFrame:
    """Bootstrap intervals of the mean difference over seeds, paired runs drawn together.

    Plain percentiles are too narrow for few seeds; these are the expanded percentiles of
    Hesterberg (2015, "What teachers should know about the bootstrap", section 5.3).
    """
    found = []
    for n, group in runs.groupby(runs.groupby(keys).seed.transform("size")):
        ordered = group.sort_values([*keys, "seed"])
        differences = ordered.difference.to_numpy().reshape(-1, n)
        index = pd.MultiIndex.from_frame(ordered[keys].iloc[::n])
        bounds = expanded_percentiles(differences, alpha)
        found.append(pd.DataFrame(bounds, index=index, columns=["low_seeds", "high_seeds"]))
    if not found:
        return pd.DataFrame(
            columns=["low_seeds", "high_seeds"], index=runs.groupby(keys).size().index
        )
    return pd.concat(found)


def expanded_percentiles(samples: Array, alpha: float = ALPHA) -> Array:
    """The interval (cases, 2) of each row's mean, from its observations (cases, n); NaN of few."""
    n = samples.shape[1]
    if n < _FEWEST:
        return np.full((len(samples), 2), np.nan)
    tail = stats.norm.cdf(-np.sqrt(n / (n - 1)) * stats.t.ppf(1 - alpha / 2, n - 1))
    weights = np.random.default_rng(0).multinomial(n, [1 / n] * n, size=_RESAMPLES) / n
    bounds = [
        np.quantile(part @ weights.T, [tail, 1 - tail], axis=1).T
        for part in np.array_split(samples, len(samples) // 500 + 1)
    ]
    return np.concatenate(bounds)


def corrected(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every test's p corrected over all its rows: ``student_holm`` and so on."""
    found = {}
    for test in TESTS:
        p = frame[f"{test}_p"].to_numpy()
        tested = ~np.isnan(p)
        for name, method in CORRECTIONS.items():
            adjusted = np.full(len(p), np.nan)
            if tested.any():
                adjusted[tested] = multipletests(p[tested], alpha=ALPHA, method=method)[1]
            found[f"{test}_{name}"] = adjusted
    return frame.assign(**found)


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """By test, how many pairs are significant uncorrected and under each correction."""
    rows = []
    for test in TESTS:
        row = {"test": test, "pairs": int(frame[f"{test}_p"].notna().sum())}
        for name in ("p", *CORRECTIONS):
            row[name] = int((frame[f"{test}_{name}"] < ALPHA).sum())
        rows.append(row)
    return pd.DataFrame(rows)
