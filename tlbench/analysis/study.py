"""Computes all of a study's numbers at once: what the page, the figures and notebooks show."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from tlbench.analysis import leaks, protocol
from tlbench.analysis.across_targets import across_targets
from tlbench.analysis.advice import Advice
from tlbench.analysis.collect import Records, done
from tlbench.analysis.comparisons import compare, counts, gains
from tlbench.analysis.costs import budgets, by_strategy, totals
from tlbench.analysis.heuristic import Regression, accuracy, judge, regress
from tlbench.analysis.names import THE_PAPERS, Labels, Sides, labels_of, sides_of
from tlbench.analysis.notices import defined_by_target, mixed, no_score, notices_of
from tlbench.analysis.on_test import on_test
from tlbench.analysis.pair_intervals import of_comparisons, of_gains
from tlbench.analysis.power import power
from tlbench.analysis.row_vectors import row_vectors
from tlbench.analysis.saved import Predictions, StoredPredictions
from tlbench.analysis.settings import best_of_pair, missing, order, per_task_scores
from tlbench.analysis.verdicts import verdicts_of
from tlbench.errors import UserError
from tlbench.records.provenance import short_revisions


@dataclass(frozen=True)
class Analysis:
    """The numbers of records that belong together; every score in it is a fraction.

    Attributes:
        name: the values of ``--by`` that these records share, ``""`` without.
        labels: how strategies and methods are called; sides: the two that are compared.
        comparisons: the first side minus the second by pair, with tests, intervals and the
            heuristic's word.
        gains: every setting minus the baseline.
        budget: every setting's score, cost and gain.
        per_task: the paper's table of per-task means.
        tasks: targets and supports in descending order of size.
        across: strategies two by two, over targets.
        missing: pairs of the grid that can't be compared: target, support and method.
        notices: what a reader must know before the numbers, a sentence each.
    """

    name: str
    table: pd.DataFrame
    labels: Labels
    sides: Sides
    tasks: list[str]
    comparisons: pd.DataFrame
    gains: pd.DataFrame
    budget: pd.DataFrame
    strategies: pd.DataFrame
    totals: pd.DataFrame
    per_task: pd.DataFrame
    best: pd.DataFrame
    tests: pd.DataFrame
    rules: pd.DataFrame
    across: pd.DataFrame
    regression: Regression | None
    power: pd.DataFrame
    advice: list[Advice]
    missing: list[tuple[str, str, str]]
    notices: list[str] = field(default_factory=list)


def analyse(
    table: pd.DataFrame,
    name: str = "",
    notices: Sequence[str] = (),
    sides: Sides = THE_PAPERS,
    predictions: Predictions | None = None,
) -> Analysis:
    """Analyse records of one protocol.

    Args:
        table: records, as ``collect`` gives them.
        name: what they share.
        notices: what a reader must know of them beside what the numbers tell.
        sides: the two strategies that are compared; if one is absent, there are no comparisons.
        predictions: of the runs; None for those in their stores.

    Raises:
        UserError: if none of them has a score.
    """
    if done(table).empty:
        raise UserError(f"Nothing to report: {no_score(table)}")
    table = _largest_first(table)
    labels = labels_of(table)
    saved = StoredPredictions(table) if predictions is None else predictions
    vectors = row_vectors(table, saved)
    comparisons = compare(table, *sides.names)
    comparisons = judge(comparisons.join(of_comparisons(table, vectors, comparisons, sides)), sides)
    gained = gains(table)
    gained = gained.join(of_gains(table, vectors, gained))
    budget = budgets(table, gained)
    absent = missing(table, comparisons, sides)
    return Analysis(
        name=name,
        table=table,
        labels=labels,
        sides=sides,
        tasks=order(table),
        comparisons=comparisons,
        gains=gained,
        budget=budget,
        strategies=by_strategy(budget),
        totals=totals(table),
        per_task=per_task_scores(table, comparisons, labels, sides),
        best=best_of_pair(comparisons, gained, sides),
        tests=counts(comparisons),
        rules=accuracy(comparisons, sides),
        across=across_targets(table, sides),
        regression=regress(comparisons),
        power=power(comparisons),
        advice=[
            Advice(one, labels, on_test(one, table), leaks.of_best(one, table))
            for one in verdicts_of(table, vectors)
        ],
        missing=absent,
        notices=[*notices, *notices_of(table, comparisons, absent, labels, sides)],
    )


def _largest_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the records in the order in which tables and lists show them, whatever was read first.

    Those of one experiment stay as they were read: the last counts.
    """
    keys = ["target_rows", "target", "support_rows", "support", "strategy", "method"]
    ascending = [key not in ("target_rows", "support_rows") for key in keys]
    return table.sort_values(keys, ascending=ascending, kind="stable")


def analyse_study(
    records: Records, by: Sequence[str] = (), compare: Sequence[str] = THE_PAPERS.names
) -> list[Analysis]:
    """Analyse a study: all of it if its records belong together, else part by part.

    Without ``by``, records of several protocols give the analysis of the protocol that has most,
    with a notice that names what differs. A part without any score is a notice too.

    Args:
        records: the study's.
        by: config keys or groups, or columns, whose values make the parts.
        compare: the two strategies that are compared pair by pair, by their names in records.

    Raises:
        UserError: if no part has a score, the records do not differ in what ``by`` names, or what
            ``compare`` names is not two of their strategies.
    """
    sides = sides_of(labels_of(records.table), compare)
    saved = StoredPredictions(records.table, records.packed)
    analyses: list[Analysis] = []
    without: list[str] = []  # a part that has no score is said before the next that has
    for name, part in _parts(records, by):
        if by and done(part).empty:
            without.append(f"Nothing to report for {name}: {no_score(part)}")
            continue
        one, notices = of_one_protocol(part, records.protocols)
        analyses.append(analyse(one, name, [*without, *notices], sides, saved))
        without = []
    if not analyses:
        raise UserError(without[0])
    analyses[-1].notices.extend(without)
    return analyses


def _parts(records: Records, by: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name and the records of every part; all of them without ``by``."""
    table, protocols = records.table, records.protocols
    if not by:
        yield "", table
        return
    keys = protocol.keys_of(by, list(protocol.differences(table, protocols)))
    for values, part in protocol.split(table, protocols, keys):
        name = ", ".join(f"{key}={value}" for key, value in values.items())
        yield short_revisions(name), part


def of_one_protocol(
    part: pd.DataFrame, protocols: protocol.Protocols
) -> tuple[pd.DataFrame, list[str]]:
    """Return the most records that agree, and notices of what was left out or differs."""
    notices = []
    # What is left may differ in a key that only showed between records that agree in the others.
    while different := protocol.differences(part, protocols):
        parts = protocol.split(part, protocols, list(different))
        chosen, largest = max(parts, key=lambda one: len(done(one[1])))
        notices.append(mixed(different, chosen, len(largest), len(part)))
        part = largest
    if apart := protocol.between_targets(part, protocols):
        notices.append(defined_by_target(apart))
    return part, notices
