"""All of a study's numbers at once: what the page, the figures and the notebooks show."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from tlbench.analysis import protocol
from tlbench.analysis.advice import Advice, advise
from tlbench.analysis.cells import best_of_pair, method_scores, missing, order
from tlbench.analysis.collect import Records, done
from tlbench.analysis.comparisons import compare, counts, gains
from tlbench.analysis.costs import budgets, by_strategy, totals
from tlbench.analysis.heuristic import Regression, accuracy, judge, regress
from tlbench.analysis.notices import defined_by_target, mixed, no_score, notices_of
from tlbench.analysis.power import power
from tlbench.analysis.row_bootstrap import row_intervals
from tlbench.errors import UserError


@dataclass(frozen=True)
class Analysis:
    """The numbers of records that belong together; every score in it is a fraction.

    Attributes:
        name: the values of ``--by`` that these records share, ``""`` without.
        comparisons: MTL minus STILTs by pair, with tests, intervals and the heuristic's word.
        gains: every strategy and support minus single.
        budget: every cell's score, cost and gain.
        methods: the paper's table of per-task means.
        tasks: in descending order of size.
        missing: pairs of the grid that can't be compared.
        notices: what a reader must know before the numbers, a sentence each.
    """

    name: str
    table: pd.DataFrame
    tasks: list[str]
    comparisons: pd.DataFrame
    gains: pd.DataFrame
    budget: pd.DataFrame
    strategies: pd.DataFrame
    totals: pd.DataFrame
    methods: pd.DataFrame
    best: pd.DataFrame
    tests: pd.DataFrame
    rules: pd.DataFrame
    regression: Regression | None
    power: pd.DataFrame
    advice: list[Advice]
    missing: list[tuple[str, str]]
    notices: list[str] = field(default_factory=list)


def analyse(table: pd.DataFrame, name: str = "", notices: Sequence[str] = ()) -> Analysis:
    """Analyse records of one protocol.

    Raises:
        UserError: if none of them has a score.
    """
    if done(table).empty:
        raise UserError(f"Nothing to report: {no_score(table)}")
    table = _largest_first(table)
    comparisons = compare(table)
    comparisons = judge(comparisons.join(row_intervals(table, comparisons)))
    gained = gains(table)
    budget = budgets(table, gained)
    lacking = missing(table, comparisons)
    return Analysis(
        name=name,
        table=table,
        tasks=order(table),
        comparisons=comparisons,
        gains=gained,
        budget=budget,
        strategies=by_strategy(budget),
        totals=totals(table),
        methods=method_scores(table, comparisons),
        best=best_of_pair(comparisons, gained),
        tests=counts(comparisons),
        rules=accuracy(comparisons),
        regression=regress(comparisons),
        power=power(comparisons),
        advice=advise(table, comparisons, gained),
        missing=lacking,
        notices=[*notices, *notices_of(table, comparisons, lacking)],
    )


def _largest_first(table: pd.DataFrame) -> pd.DataFrame:
    """The records in the order in which every table and list shows targets and supports."""
    keys = ["target_rows", "target", "support_rows", "support"]
    return table.sort_values(keys, ascending=[False, True, False, True], kind="stable")


def analyse_study(study: Records, by: Sequence[str] = ()) -> list[Analysis]:
    """Analyse a study: all of it if its records belong together, else part by part.

    Without ``by``, records of several protocols give the analysis of the protocol that has most,
    with a notice that names what differs. A part without any score is a notice too.

    Raises:
        UserError: if no part has a score.
    """
    table, protocols = study.table, study.protocols
    different = protocol.differences(table, protocols)
    keys = protocol.keys_of(by, list(different)) if by else []
    found, without = [], []
    for values, part in protocol.split(table, protocols, keys) if keys else [({}, table)]:
        name = ", ".join(f"{key}={value}" for key, value in values.items())
        if keys and done(part).empty:
            without.append(f"Nothing to report for {name}: {no_score(part)}")
            continue
        notices = []
        while inner := protocol.differences(part, protocols):
            chosen, largest = max(
                protocol.split(part, protocols, list(inner)), key=lambda p: len(done(p[1]))
            )
            notices.append(mixed(inner, chosen, len(largest), len(part)))
            part = largest
        if apart := protocol.between_targets(part, protocols):
            notices.append(defined_by_target(apart))
        found.append(analyse(part, name, [*without, *notices]))
        without = []
    if not found:
        raise UserError(without[0])
    found[-1].notices.extend(without)
    return found
