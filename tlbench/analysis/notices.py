"""Says what a reader must know before a study's numbers, a sentence each."""

from typing import Any

import pandas as pd

from tlbench.analysis import leaks, protocol, selection
from tlbench.analysis.collect import EXPERIMENT, SETTING, done
from tlbench.analysis.names import Labels, Sides
from tlbench.records.definitions import NONE
from tlbench.records.places import shown_file

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
    """Count the records that have no score, by why: the keys of ``UNSCORED``."""
    counts = {name: int((table.outcome == name).sum()) for name in UNSCORED}
    return {name: count for name, count in counts.items() if count}


def notices_of(
    table: pd.DataFrame,
    comparisons: pd.DataFrame,
    missing: list[tuple[str, str, str]],
    labels: Labels,
    sides: Sides,
) -> list[str]:
    """Return what was left out, counted once or taken for something, and what runs differ in.

    Args:
        table: records, as ``collect`` gives them.
        comparisons: of both sides, with intervals over dev rows.
        missing: pairs of the grid that are not compared.
        labels: how strategies and methods are called.
        sides: what was compared.
    """
    scored = done(table)
    notices = [*_unscored(table), *_collapses(scored), *_taken(table), *_repeated(table, labels)]
    if missing:
        notices.append(f"Missing pairs of the grid: {len(missing):,}, drawn as missing.")
    notices += leaks.notices(table)
    notices += [*_seeds(scored, comparisons, sides), *selection.notices(table)]
    named = protocol.named_differences(table)
    if named:
        different = protocol.sentence(named)
        notices.append(f"The runs differ in {different}; they are reported together.")
    return notices


def _unscored(table: pd.DataFrame) -> list[str]:
    notices = []
    for name, count in without_score(table).items():
        is_flattered = " A setting that lost seeds so looks better than it is."
        notices.append(
            f"{UNSCORED[name]}: {count:,}, in no mean and no test, and named below."
            + (is_flattered if name != "failed" else "")
        )
    return notices


def _collapses(scored: pd.DataFrame) -> list[str]:
    by_target = scored.groupby("target", sort=False).collapsed.agg(runs="count", collapsed="sum")
    collapsed = by_target[by_target.collapsed > 0]
    if collapsed.empty:
        return []
    counts = [f"{target} {row.collapsed} of {row.runs}" for target, row in collapsed.iterrows()]
    return [
        f"Collapsed runs, which predict the same for every row of dev: {', '.join(counts)}. They "
        f"are in all means and tests; where the score is a correlation, theirs is 0."
    ]


def _taken(table: pd.DataFrame) -> list[str]:
    counts = table.taken_as.value_counts()
    return [words.format(counts[name]) for name, words in _TAKEN_AS.items() if name in counts]


def _repeated(table: pd.DataFrame, labels: Labels) -> list[str]:
    """Return that experiments have several records, with an example of other results."""
    notices = []
    # A study that is read twice repeats its records; other results mean that something has changed.
    repeated = len(table) - sum(without_score(table).values()) - len(done(table))
    if repeated:
        notices.append(f"Records that repeat an experiment, counted once: {repeated:,}.")
    again = table[(table.outcome != "failed") & table.duplicated(EXPERIMENT, keep=False)]
    groups = [rows for _, rows in again.groupby(EXPERIMENT, sort=False)]
    other = [rows for rows in groups if len(rows[["outcome", "score"]].drop_duplicates()) > 1]
    if other:
        example = other[0].drop_duplicates(["outcome", "score"], keep="last")
        files = [f"{_result(row)} in {shown_file(row.file)}" for _, row in example.iterrows()]
        notices.append(
            f"Experiments whose records have different results: {len(other):,}; the score that was "
            f"read last counts. {experiment_in_words(example.iloc[-1], labels)}, in the order "
            f"read: {', '.join(files)}."
        )
    return notices


def experiment_in_words(row: "pd.Series[Any]", labels: Labels) -> str:
    """Return which experiment a row of the table is: ``MTL rte with mnli, seed 3``."""
    support = "" if row.support == NONE else f" with {row.support}"
    return f"{labels.candidate(row.strategy, row.method)} {row.target}{support}, seed {row.seed}"


def _result(row: "pd.Series[Any]") -> str:
    return f"{100 * row.score:.6g}" if row.outcome == "scored" else str(row.outcome)


def _seeds(scored: pd.DataFrame, comparisons: pd.DataFrame, sides: Sides) -> list[str]:
    seeds = scored.seed.nunique()
    if seeds == 1:
        return ["There is one seed: scores are shown, tests need two or more."]
    # A comparison over fewer seeds than the others is not a fault, but should not go unnoticed.
    has_fewer = scored.groupby(SETTING).seed.nunique() < seeds
    notices = []
    if has_fewer.any():
        notices.append(
            f"{int(has_fewer.sum()):,} of {len(has_fewer):,} settings have fewer than {seeds} "
            f"seeds; only seeds that both sides have are compared."
        )
    if comparisons.empty:
        notices.append(
            f"{sides.first_label} and {sides.second_label} can't be compared: no pair has both "
            f"under a common seed; --compare names two others."
        )
    elif n := int((comparisons.low.isna() & comparisons.low_seeds.notna()).sum()):
        notices.append(
            f"{n:,} of {len(comparisons):,} pairs have an interval over seeds alone, not over dev "
            f"rows: their predictions are not in the store (or not packed with the records), or "
            f"their metric is none of the package's."
        )
    return notices


def no_score(table: pd.DataFrame) -> str:
    """Return that no record has a score, and why."""
    why = ", ".join(f"{count} {name}" for name, count in without_score(table).items())
    return f"none of the {len(table)} records has a score ({why})."


def defined_by_target(different: dict[str, list[str]]) -> str:
    """Return that a task is not the same for every target."""
    return (
        f"Not the same for all targets: {protocol.sentence(different)}; every target has one of "
        f"them, and means over targets have both."
    )


def mixed(different: dict[str, list[str]], chosen: dict[str, str], records: int, of: int) -> str:
    """Return that the records are of several protocols, and which of them is reported.

    Args:
        different: the keys in which all records differ, with their values.
        chosen: the values that are reported.
        records, of: how many records that is, of how many.
    """
    values = [f"{key}={value}" for key, value in chosen.items()]
    reported = ", ".join(values[:_SHOWN]) + (" and more" if len(values) > _SHOWN else "")
    return (
        f"The records differ in {protocol.sentence(different)} and are not mixed: this is "
        f"{reported}, {records:,} of {of:,} records; tlbench-report --by {next(iter(different))} "
        "has all."
    )
