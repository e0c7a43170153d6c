"""Makes the tables of a report: what is in them, and how each is to be read."""

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from tlbench.analysis.advice import Advice
from tlbench.analysis.collect import SETTING
from tlbench.analysis.groups import group_means
from tlbench.analysis.judged import Candidate
from tlbench.analysis.study import Analysis
from tlbench.report import pair_tables
from tlbench.report.columns import (
    MAJORITY,
    SIZES,
    SUPPORT,
    TARGET,
    baseline_label,
    collapsed_columns,
    strategy_columns,
)
from tlbench.report.format import Column, Table


def tables(analysis: Analysis) -> list[Table]:
    """Return every table of the report that has a row."""
    makers = (
        _per_task,
        pair_tables.tests,
        pair_tables.comparisons,
        pair_tables.rules,
        pair_tables.across,
        pair_tables.regression,
        pair_tables.best,
        pair_tables.power,
        _strategies,
        _totals,
        _scores,
        _groups,
        _advice,
        _candidates,
    )
    return [table for make in makers if not (table := make(analysis)).frame.empty]


def _per_task(analysis: Analysis) -> Table:
    frame = analysis.per_task.rename_axis("choice").reset_index()
    tasks = [Column(name, name, "points") for name in analysis.per_task.columns]
    labels, sides = analysis.labels, analysis.sides
    over, best = "supports", "support and strategy"
    if labels.has_methods:
        over, best = "supports, the heuristic's and the oracle's over methods", f"{best} and method"
    note = (
        f"Means over seeds and {over}, in points, at each task's full size. The size heuristic "
        f"takes {sides.first_label} where the target is smaller than the support, else "
        f"{sides.second_label}. The oracle takes the best {best} by these same scores, so it is "
        f"an upper bound."
    )
    return Table("per_task", "Scores per task", note, (Column("choice", "choice"), *tasks), frame)


def _strategies(analysis: Analysis) -> Table:
    frame = analysis.strategies
    columns = (
        *strategy_columns(analysis.labels),
        Column("settings", "settings", "count"),
        Column("score", "score", "points"),
        MAJORITY,
        *_costs(analysis, "extra passes per point gained", frame),
    )
    note = "Means over targets and supports; steps and passes trained for one seed's score."
    return Table("strategies", "What the strategies cost", note, columns, frame)


def _totals(analysis: Analysis) -> Table:
    columns = (
        Column("cost", "cost"),
        Column("with_reuse", "every stage once", "amount"),
        Column("without_reuse", "without reuse", "amount"),
    )
    note = (
        "The whole study; a training that several scores need is done once. A device hour is an "
        "hour of training on one device"
    )
    # Of a record whose stages were trained on several devices they are joined.
    devices = {one for joined in analysis.table.device.dropna() for one in joined.split(" | ")}
    note += f" ({', '.join(sorted(devices))})." if devices else "."
    return Table("totals", "What the study cost", note, columns, analysis.totals)


def _scores(analysis: Analysis) -> Table:
    columns = (
        TARGET,
        *strategy_columns(analysis.labels),
        SUPPORT,
        *SIZES,
        Column("seeds", "seeds", "count"),
        Column("score", "score", "points"),
        Column("sd", "spread", "points"),
        MAJORITY,
        *_costs(analysis, "extra passes per point", analysis.budget),
    )
    note = "Means over seeds and their standard deviation, in points."
    return Table("scores", "All scores and their cost", note, columns, analysis.budget)


def _groups(analysis: Analysis) -> Table:
    frame = group_means(analysis.table)
    names = [name for name in frame if name not in (*SETTING, "seeds")]
    columns = (
        TARGET,
        *strategy_columns(analysis.labels),
        SUPPORT,
        *SIZES,
        Column("seeds", "seeds", "count"),
        *(Column(str(name), str(name), "points") for name in names),
    )
    note = (
        "Means over seeds, in points. The worst group is each seed's own, so that its mean is at "
        "most that of every group."
    )
    return Table("groups", "Scores of groups", note, columns, frame)


def _costs(analysis: Analysis, per_point: str, frame: pd.DataFrame) -> tuple[Column, ...]:
    return (
        Column("gain", f"gain over {baseline_label(analysis)}", "gain"),
        Column("steps", "steps", "count"),
        Column("passes", "passes", "count"),
        Column("passes_per_point", per_point, "count"),
        *collapsed_columns(frame),
    )


def _advice(analysis: Analysis) -> Table:
    return advice_table(analysis.advice)


def advice_table(advices: Sequence[Advice]) -> Table:
    """Return a row of the answer for every target and size."""
    rows = [
        {
            **{name: getattr(advice.verdict, name) for name in ("target", "target_rows", "rows")},
            "best_guess": advice.do,
            "proved": advice.proved,
            **_of_best(advice.verdict.best),
            "may_be_best": ", ".join(map(advice.name, advice.verdict.may_be_best)),
            "majority": advice.verdict.majority,
            **_on_test(advice),
        }
        for advice in advices
    ]
    has_test = any(advice.on_test for advice in advices)
    columns = (
        TARGET,
        SIZES[0],
        Column("best_guess", "best guess"),
        Column("proved", "what is proved"),
        Column("score", "score", "points"),
        *_GAINS,
        Column("may_be_best", "may still be the best"),
        MAJORITY,
        *(_ON_TEST if has_test else ()),
    )
    return Table("advice", "What to do", _HOLDS, columns, pd.DataFrame(rows))


def _candidates(analysis: Analysis) -> Table:
    rows = [
        {"target": one.target, "target_rows": one.target_rows, **asdict(candidate)}
        for one in (advice.verdict for advice in analysis.advice)
        for candidate in one.candidates
    ]
    columns = (
        TARGET,
        SIZES[0],
        *strategy_columns(analysis.labels),
        SUPPORT,
        Column("score", "score", "points"),
        *_GAINS,
        Column("proved", f"over {baseline_label(analysis)}"),
        Column("may_be_best", "may be the best", labels={"True": "yes", "False": "no"}),
        Column("probability", "probability", "percent"),
        Column("cost", "passes", "count"),
    )
    frame = pd.DataFrame(rows)
    return Table("candidates", "All candidates", _HOLDS, columns, frame, ("row_error", "worse_by"))


def _of_best(best: Candidate | None) -> dict[str, object]:
    names = ("look", "score", "gain", "shrunk", "low", "high", "has_rows")
    return {name: getattr(best, name, None) for name in names}


def _on_test(advice: Advice) -> dict[str, object]:
    found = advice.on_test
    if found is None:
        return {}
    low, high = found.score_bounds
    return {"test_score": found.score, "test_low": low, "test_high": high}


_ON_TEST = (
    Column("test_score", "on test rows", "points"),
    Column("test_low test_high", "90% interval", "range"),
)
_GAINS = (
    Column("look", "seeds", "count"),
    Column("gain", "gain", "gain"),
    Column("shrunk", "to expect", "gain"),
    Column("low high", "90% interval", "interval"),
)
_HOLDS = (
    "Intervals hold for all candidates of a target together, not for all targets; over seeds and, "
    "where predictions are saved, dev rows; and at all looks (2, 3, 5, 8, 10, 20, ... seeds) "
    "together. A candidate may be the best as long as none is certainly better. To expect: the "
    "gain shrunk by empirical Bayes, as is the probability of being the best."
)
