"""What a reader must know before a study's numbers, a sentence each."""

import pandas as pd

from tlbench.analysis import protocol
from tlbench.analysis.collect import EXPERIMENT, done

UNSCORED = {
    "failed": "Failed experiments",
    "diverged": "Experiments whose training has diverged",
    "undefined": "Experiments whose score is not defined",
}
_SHOWN = 4  # values of what is reported
_TAKEN_AS = {
    "collapsed": "Older records without a correlation, which may mean that all predictions or all "
    "labels were the same: {:,}, taken as collapsed, with a correlation of 0.",
    "one label": "Older records without a correlation whose numbers say that all labels of dev are "
    "the same: {:,}, taken as not defined.",
}


def without_score(table: pd.DataFrame) -> dict[str, int]:
    """How many records have no score, by why: the keys of ``UNSCORED``."""
    found = {name: int((table.outcome == name).sum()) for name in UNSCORED}
    return {name: count for name, count in found.items() if count}


def notices_of(
    table: pd.DataFrame, comparisons: pd.DataFrame, lacking: list[tuple[str, str]]
) -> list[str]:
    """What was left out, counted once or taken for something, and what differs between runs."""
    found = []
    scored = done(table)
    unscored = without_score(table)
    for name, count in unscored.items():
        flattered = " A cell that lost seeds so looks better than it is."
        found.append(
            f"{UNSCORED[name]}: {count:,}, in no mean and no test, and named below."
            + (flattered if name != "failed" else "")
        )
    found += _collapses(scored)
    taken = table.taken_as.value_counts()
    found += [words.format(taken[name]) for name, words in _TAKEN_AS.items() if name in taken]
    repeated = len(table) - sum(unscored.values()) - len(scored)
    if repeated:
        found.append(f"Records that repeat an experiment, counted once: {repeated:,}.")
    found += _disagreeing(table)
    if lacking:
        found.append(f"Missing pairs of the grid: {len(lacking):,}, drawn as missing.")
    found += _seeds(scored, comparisons)
    named = protocol.named_differences(table)
    if named:
        found.append(f"The runs differ in {protocol.sentence(named)}; they are reported together.")
    return found


def _collapses(table: pd.DataFrame) -> list[str]:
    known = table.groupby("target", sort=False).collapsed.agg(runs="count", collapsed="sum")
    lost = known[known.collapsed > 0]
    if lost.empty:
        return []
    counts = [f"{target} {row.collapsed} of {row.runs}" for target, row in lost.iterrows()]
    return [
        f"Collapsed runs, which predict the same for every row of dev: {', '.join(counts)}. They "
        f"are in all means and tests; where the score is a correlation, theirs is 0."
    ]


def _disagreeing(table: pd.DataFrame) -> list[str]:
    """That records of one experiment have other results, with an example."""
    again = table[(table.outcome != "failed") & table.duplicated(EXPERIMENT, keep=False)]
    groups = [rows for _, rows in again.groupby(EXPERIMENT, sort=False)]
    other = [rows for rows in groups if len(rows[["outcome", "score"]].drop_duplicates()) > 1]
    if not other:
        return []
    example = other[0].drop_duplicates(["outcome", "score"], keep="last")
    last, files = (
        example.iloc[-1],
        [f"{_result(row)} in {row.file}" for _, row in example.iterrows()],
    )
    support = "" if last.support == "-" else f" with {last.support}"
    return [
        f"Experiments whose records have different results: {len(other):,}; the score that was "
        f"read last counts. {last.strategy} {last.target}{support} seed {last.seed}, in the order "
        f"read: {', '.join(files)}."
    ]


def _result(row: "pd.Series[object]") -> str:
    return f"{100 * row.score:.6g}" if row.outcome == "scored" else str(row.outcome)


def _seeds(scored: pd.DataFrame, comparisons: pd.DataFrame) -> list[str]:
    seeds = scored.seed.nunique()
    if seeds == 1:
        return ["There is one seed: scores are shown, tests need two or more."]
    fewer = scored.groupby(EXPERIMENT[:-1]).seed.nunique() < seeds
    found = []
    if fewer.any():
        found.append(
            f"{int(fewer.sum()):,} of {len(fewer):,} cells have fewer than {seeds} seeds; only "
            f"seeds that both sides have are compared."
        )
    if comparisons.empty:
        found.append("MTL and STILTs can't be compared: no pair has both under a common seed.")
    elif comparisons.low_rows.isna().any():
        n = int(comparisons.low_rows.isna().sum())
        found.append(
            f"{n:,} of {len(comparisons):,} pairs have no interval over dev rows: their saved "
            f"predictions are not in the store."
        )
    return found


def no_score(table: pd.DataFrame) -> str:
    """That no record has a score, and why."""
    why = ", ".join(f"{count} {name}" for name, count in without_score(table).items())
    return f"none of the {len(table)} records has a score ({why})."


def defined_by_target(different: dict[str, list[str]]) -> str:
    """That a task is not the same for every target."""
    return (
        f"Not the same for all targets: {protocol.sentence(different)}; every target has one of "
        f"them, and means over targets have both."
    )


def mixed(different: dict[str, list[str]], chosen: dict[str, str], records: int, of: int) -> str:
    """That the records are of several protocols, and which of them is reported."""
    values = [f"{key}={value}" for key, value in chosen.items()]
    reported = ", ".join(values[:_SHOWN]) + (" and more" if len(values) > _SHOWN else "")
    return (
        f"The records differ in {protocol.sentence(different)} and are not mixed: this is "
        f"{reported}, {records:,} of {of:,} records; add --by {next(iter(different))} for all."
    )
