"""A study's cells: means over seeds, what is missing, and the order of its tasks."""

import math
from itertools import product

import pandas as pd

from tlbench.analysis.collect import done
from tlbench.analysis.comparisons import PAIR
from tlbench.analysis.heuristic import choices

CELL = ["strategy", *PAIR]
METHODS = (
    "majority class",
    "single",
    "average STILTs",
    "average MTL",
    "MTL-ALL",
    "size heuristic",
    "pairwise oracle",
)


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row a strategy, pair and sizes.

    ``score``, ``sd`` and ``majority`` are fractions; ``steps`` and ``instances`` are those trained
    for one seed's score, reused or not. ``collapsed`` counts runs, and is not there where no record
    of the cell knows.
    """
    grouped = done(table).groupby(CELL, sort=False)
    means = grouped.agg(
        seeds=("seed", "nunique"),
        score=("score", "mean"),
        sd=("score", "std"),
        majority=("majority_score", "mean"),
        steps=("steps", "mean"),
        instances=("instances", "mean"),
        instances_reused=("instances_reused", "mean"),
    )
    return means.assign(collapsed=grouped.collapsed.sum(min_count=1)).reset_index()


def order(table: pd.DataFrame) -> list[str]:
    """The tasks by descending rows trained on, as target or as support, scored or not."""
    targets = table.groupby("target").target_rows.max()
    supports = table[~table.support.isin(["-", "all"])].groupby("support").support_rows.max()
    rows = pd.concat([targets, supports]).groupby(level=0).max()
    return list(rows.sort_index().sort_values(ascending=False, kind="stable").index)


def at_full_size(frame: pd.DataFrame) -> pd.DataFrame:
    """Of every target the rows at its largest size, and of every support of it the same."""
    largest = frame[frame.target_rows == frame.groupby("target").target_rows.transform("max")]
    keys = [key for key in ("strategy", "target", "support") if key in frame]
    return largest[
        largest.support_rows == largest.groupby(keys).support_rows.transform("max")
    ].reset_index(drop=True)


def has_sizes(frame: pd.DataFrame) -> bool:
    """Whether any pair was run at more than one combination of sizes."""
    return bool(frame.duplicated(["target", "support"]).any())


def missing(table: pd.DataFrame, comparisons: pd.DataFrame) -> list[tuple[str, str]]:
    """The (target, support) of the grid that can't be compared: MTL, STILTs or both are absent."""
    pairs = table[table.strategy.isin(["mtl", "stilts"])]
    found = set(zip(comparisons.target, comparisons.support, strict=True))
    wanted = product(pairs.target.unique(), pairs.support.unique())
    return sorted((t, s) for t, s in wanted if t != s and (t, s) not in found)


def method_scores(table: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """Table of per-task means: methods in rows, targets in columns, their mean last; fractions.

    The heuristic's score is the mean over supports of what it chooses; the oracle is the best
    support under the better of MTL and STILTs, chosen by the very means that it is then given, so
    it is an upper bound. The mean is over the targets that every method has a score for, the
    majority class aside: where that is not defined for one of them, as for a correlation, it has
    no mean.
    """
    at = at_full_size(cells(table))
    pairs = at_full_size(judged)
    means = at.set_index(["strategy", "target", "support"]).score
    sides = pd.DataFrame({s: _of(means, s, pairs) for s in ("mtl", "stilts")}, index=pairs.index)
    chosen = sides.mtl.where(choices(pairs, "size heuristic") == "mtl", sides.stilts)
    by = {name: at[at.strategy == name].groupby("target").score for name in set(at.strategy)}
    empty = pd.Series(dtype=float)
    rows = {
        "majority class": at.groupby("target").majority.mean(),
        "single": by["single"].mean() if "single" in by else empty,
        "average STILTs": by["stilts"].mean() if "stilts" in by else empty,
        "average MTL": by["mtl"].mean() if "mtl" in by else empty,
        "MTL-ALL": by["mtl_all"].mean() if "mtl_all" in by else empty,
        "size heuristic": chosen.groupby(pairs.target).mean(),
        "pairwise oracle": sides.max(axis=1).groupby(pairs.target).max(),
    }
    others = [name for name in by if name not in ("single", "stilts", "mtl", "mtl_all")]
    rows |= {f"average {name}": by[name].mean() for name in sorted(others)}
    targets = [task for task in order(table) if task in set(at.target)]
    frame = pd.DataFrame(rows).T.reindex(columns=targets).dropna(how="all")
    common = frame.columns[frame.drop(index="majority class", errors="ignore").notna().all()]
    return frame.assign(mean=frame[common].mean(axis=1, skipna=False))


def _of(means: "pd.Series[float]", strategy: str, pairs: pd.DataFrame) -> list[float]:
    """A strategy's mean over all its seeds for each of the pairs."""
    keys = zip(pairs.target, pairs.support, strict=True)
    return [means.get((strategy, *key), math.nan) for key in keys]


def best_of_pair(judged: pd.DataFrame, gained: pd.DataFrame) -> pd.DataFrame:
    """Every pair's better strategy (by mean) against ``single``: a row of its gains."""
    better = judged.assign(strategy=judged.winner.replace("", "stilts"))[[*CELL]]
    return better.merge(gained, on=CELL)
