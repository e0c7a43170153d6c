"""Summarises a study's settings: means over seeds, what is missing, and the order of its tasks."""

import math
from itertools import product

import pandas as pd

from tlbench.analysis.collect import PAIR, SETTING, done
from tlbench.analysis.comparisons import methods_compared
from tlbench.analysis.heuristic import HEURISTIC
from tlbench.analysis.names import THE_PAPERS, VERSUS, Labels, Sides
from tlbench.records.definitions import ALL, BASELINE, NONE

MAJORITY_CLASS, ORACLE = "majority class", "pairwise oracle"


def setting_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds, one row a strategy, method, pair and sizes.

    ``score``, ``sd`` and ``majority`` are fractions; ``steps`` and ``passes`` are those trained
    for one seed's score, reused or not. ``collapsed`` counts runs; NA where no record of the
    setting says.
    """
    grouped = done(table).groupby(SETTING, sort=False)
    means = grouped.agg(
        seeds=("seed", "nunique"),
        score=("score", "mean"),
        sd=("score", "std"),
        majority=("majority_score", "mean"),
        steps=("steps", "mean"),
        passes=("passes", "mean"),
        passes_reused=("passes_reused", "mean"),
    )
    return means.assign(collapsed=grouped.collapsed.sum(min_count=1)).reset_index()


def order(table: pd.DataFrame) -> list[str]:
    """Return targets and supports by descending rows trained on, scored or not."""
    targets = table.groupby("target").target_rows.max()
    supports = table[~table.support.isin([NONE, ALL])].groupby("support").support_rows.max()
    rows = pd.concat([targets, supports]).groupby(level=0).max()
    return list(rows.sort_index().sort_values(ascending=False, kind="stable").index)


def at_full_size(frame: pd.DataFrame) -> pd.DataFrame:
    """Return of every target the rows at its largest size, and of every support of it the same."""
    largest = frame[frame.target_rows == frame.groupby("target").target_rows.transform("max")]
    # Each strategy at its own largest, so that one that never ran at another's is not left out.
    keys = [key for key in ("strategy", "method", "target", "support") if key in frame]
    return largest[
        largest.support_rows == largest.groupby(keys).support_rows.transform("max")
    ].reset_index(drop=True)


def has_sizes(frame: pd.DataFrame) -> bool:
    """Return whether any pair was run at more than one combination of sizes."""
    return bool(frame[PAIR].drop_duplicates().duplicated(["target", "support"]).any())


def missing(
    table: pd.DataFrame, comparisons: pd.DataFrame, sides: Sides = THE_PAPERS
) -> list[tuple[str, str, str]]:
    """Return the (target, support, method) of the grid that lack a side, and are not compared.

    None do in a study that has only one of the sides: it compares others.
    """
    runs = table[table.strategy.isin(sides.names)]
    if runs.strategy.nunique() < len(sides.names):
        return []
    of_sides = ({*runs.method[runs.strategy == name]} for name in sides.names)
    versus = {name for name in methods_compared(*of_sides).values() if VERSUS in name}
    methods = sorted((versus or {*runs.method}) - {NONE}) or [NONE]
    compared = set(comparisons[["target", "support", "method"]].itertuples(index=False, name=None))
    grid = product(runs.target.unique(), runs.support.unique(), methods)
    # A target is no support of its own, alone or among several.
    possible = {(t, s, m) for t, s, m in grid if t != s and t not in s.split("+")}
    return sorted(possible - compared)


def per_task_scores(
    table: pd.DataFrame, judged: pd.DataFrame, labels: Labels, sides: Sides = THE_PAPERS
) -> pd.DataFrame:
    """Return the paper's table of scores per task: choices in rows, targets in columns; fractions.

    The heuristic's score is the mean over supports of what it chooses; the oracle is the best
    support under the better of both sides, chosen by the very means that it is then given, so it
    is an upper bound. The last column is the mean over the targets that every choice has a score
    for, the majority class aside: where that is not defined for one of them, as for a correlation,
    it has no mean.

    Args:
        table: records, as ``collect`` gives them.
        judged: comparisons at all sizes, with what the heuristic says.
        labels: how the strategies are called.
        sides: what was compared.
    """
    means = at_full_size(setting_means(table))
    rows = {MAJORITY_CLASS: means.groupby("target").majority.mean()}
    rows |= _averages(means, labels, sides) | _of_pairs(means, at_full_size(judged), sides)
    targets = [task for task in order(table) if task in set(means.target)]
    frame = pd.DataFrame(rows).T.reindex(columns=targets).dropna(how="all")
    # A mean over other targets than the row above has would not compare.
    common = frame.columns[frame.drop(index=MAJORITY_CLASS, errors="ignore").notna().all()]
    return frame.assign(mean=frame[common].mean(axis=1, skipna=False))


def _averages(means: pd.DataFrame, labels: Labels, sides: Sides) -> "dict[str, pd.Series[float]]":
    """Return by name the per-task mean of every strategy and method over its supports.

    The baseline comes first, then the sides. One that has no choice of a support is no average.
    """
    rows = {}
    first = (BASELINE, sides.second, sides.first)
    names = [*first, *sorted(set(means.strategy) - {*first})]
    for name in names:
        for method, part in means[means.strategy == name].groupby("method"):
            is_average = not part.support.isin([NONE, ALL]).all()
            label = labels.candidate(name, method)
            row = f"average {label}" if is_average else label
            rows[row] = part.groupby("target").score.mean()
    return rows


def _of_pairs(
    means: pd.DataFrame, pairs: pd.DataFrame, sides: Sides
) -> "dict[str, pd.Series[float]]":
    """Return the per-task scores of the heuristic and the oracle, over all seeds of each side."""
    first = _side_means(means[means.strategy == sides.first], pairs, pairs.method_first)
    second = _side_means(means[means.strategy == sides.second], pairs, pairs.method_second)
    chosen = first.where(pairs.heuristic == sides.first, second)
    return {
        HEURISTIC: chosen.groupby(pairs.target).mean(),
        ORACLE: first.where(first >= second, second).groupby(pairs.target).max(),
    }


def _side_means(
    means: pd.DataFrame, pairs: pd.DataFrame, methods: "pd.Series[str]"
) -> "pd.Series[float]":
    scores = means.set_index(["target", "support", "method"]).score
    keys = zip(pairs.target, pairs.support, methods, strict=True)
    return pd.Series([scores.get(key, math.nan) for key in keys], pairs.index, dtype=float)


def best_of_pair(
    judged: pd.DataFrame, gained: pd.DataFrame, sides: Sides = THE_PAPERS
) -> pd.DataFrame:
    """Return every pair's better strategy (by mean, at its best method): a row of its gains."""
    winner = judged.winner.replace("", sides.second)
    methods = judged.method_first.where(winner == sides.first, judged.method_second)
    candidates = judged.assign(strategy=winner, method=methods)
    score = judged[["first", "second"]].max(axis=1)
    best = score.groupby([judged[key] for key in PAIR], sort=False).idxmax()
    return candidates.loc[best, SETTING].merge(gained, on=SETTING)
