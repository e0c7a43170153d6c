"""The tables of a report: what stands in them, and how each is to be read."""

from dataclasses import asdict

import pandas as pd

from tlbench.analysis.cells import has_sizes
from tlbench.analysis.study import Analysis
from tlbench.report.format import Column, Table

_TARGET = Column("target", "target")
_SUPPORT = Column("support", "support")
_SIZES = (
    Column("target_rows", "target rows", "count"),
    Column("support_rows", "support rows", "count"),
)
_SPREADS = ("sd_first", "sd_second", "sd_difference")
_MAJORITY = Column("majority", "majority class", "points")
_COLLAPSED = Column("collapsed", "collapsed", "count")


def tables(analysis: Analysis) -> list[Table]:
    """Every table of the report that has a row."""
    makers = (
        _methods,
        _tests,
        _comparisons,
        _rules,
        _regression,
        _best,
        _power,
        _strategies,
        _totals,
        _scores,
        _advice,
    )
    return [table for make in makers if not (table := make(analysis)).frame.empty]


def _counted(frame: pd.DataFrame) -> tuple[Column, ...]:
    """The column of collapsed runs, where there are any."""
    return (_COLLAPSED,) if frame.collapsed.sum() else ()


def _with_majority(analysis: Analysis, frame: pd.DataFrame) -> pd.DataFrame:
    by_target = analysis.budget.groupby("target").majority.mean()
    return frame.assign(majority=frame.target.map(by_target))


def _advice(analysis: Analysis) -> Table:
    frame = pd.DataFrame([asdict(advice) for advice in analysis.advice])
    columns = (
        _TARGET,
        _SIZES[0],
        Column("do", "what to do"),
        Column("tried", "best tried"),
        Column("against", "against"),
        Column("gain", "gain", "gain"),
        Column("low high", "90% interval", "interval"),
        Column("verdict", "verdict"),
        _MAJORITY,
    )
    note = (
        "Intervals hold for all candidates of a target together (Bonferroni), not for all targets, "
        "and pool the spread over seeds of its candidates, taken as equal."
    )
    return Table("advice", "What to do", note, columns, frame)


def _methods(analysis: Analysis) -> Table:
    frame = analysis.methods.rename_axis("method").reset_index()
    tasks = [Column(name, name, "points") for name in analysis.methods.columns]
    note = (
        "Means over seeds and supports, in points, at each task's full size. The size heuristic "
        "takes MTL where the target is smaller than the support, else STILTs. The oracle takes "
        "the best support and strategy by these same scores, so it is an upper bound."
    )
    return Table("methods", "Scores by method", note, (Column("method", "method"), *tasks), frame)


def _tests(analysis: Analysis) -> Table:
    columns = (
        Column("test", "test"),
        Column("pairs", "pairs tested", "count"),
        Column("p", "uncorrected", "count"),
        Column("holm", "Holm", "count"),
        Column("bh", "Benjamini-Hochberg", "count"),
    )
    note = (
        "Pairs with p < 0.1. Student's test, uncorrected, is the paper's rule; it assumes "
        "normal scores, equal spread and independent runs. Welch's allows unequal spread. The "
        "paired test uses that both sides ran the same seeds. Holm bounds the chance of any false "
        "find at 10%, Benjamini-Hochberg the share of false finds."
    )
    return Table("tests", "How many pairs differ", note, columns, analysis.tests)


def _comparisons(analysis: Analysis) -> Table:
    sizes = _SIZES if has_sizes(analysis.comparisons) else ()
    columns = (
        _TARGET,
        _SUPPORT,
        *sizes,
        Column("first", "MTL", "points"),
        Column("second", "STILTs", "points"),
        _MAJORITY,
        Column("difference", "MTL − STILTs", "gain"),
        Column("low_seeds high_seeds", "90% over seeds", "interval"),
        Column("low_rows high_rows", "90% over dev rows", "interval"),
        Column("hedges_g", "g", "number"),
        Column("student_p", "p Student", "p"),
        Column("student_holm", "Holm", "p"),
        Column("student_bh", "BH", "p"),
        Column("welch_p", "p Welch", "p"),
        Column("paired_p", "p paired", "p"),
    )
    note = (
        "In points. Intervals are bootstrapped: over seeds (expanded percentiles, as seeds are "
        "few; none of fewer than four, which can't reach 90%), and over dev rows at the seeds "
        "that were run. g is the effect size: the "
        "difference in standard deviations over seeds (Hedges). Holm and BH correct Student's p "
        "over all pairs."
    )
    frame = _with_majority(analysis, analysis.comparisons)
    title = "MTL against STILTs, pair by pair"
    return Table("comparisons", title, note, columns, frame, ("low", "high", *_SPREADS))


def _rules(analysis: Analysis) -> Table:
    frame, columns = analysis.rules.copy(), [Column("rule", "rule")]
    for cells, name in (("applicable", "applicable pairs"), ("all", "all pairs")):
        right, pairs, low, high = (
            frame[f"{cells}_{key}"] for key in ("right", "pairs", "low", "high")
        )
        frame[f"{cells}_counts"] = [f"{k} of {n}" for k, n in zip(right, pairs, strict=True)]
        frame[f"{cells}_interval"] = [
            "-" if pd.isna(a) else f"{100 * a:.0f} to {100 * b:.0f}%"
            for a, b in zip(low, high, strict=True)
        ]
        columns += [
            Column(f"{cells}_counts", f"right, {name}"),
            Column(f"{cells}_accuracy", f"accuracy, {name}", "percent"),
            Column(f"{cells}_interval", f"90% interval, {name}"),
        ]
    note = (
        "Applicable pairs are those that differ by the paper's rule. Majority always says what "
        "wins most often here. Regret is what following a rule loses against the better strategy "
        "of each pair, in points, on average. Intervals are exact binomial and take pairs as "
        "independent."
    )
    columns.append(Column("regret", "regret", "points"))
    scored = frame if len(analysis.comparisons) else frame.head(0)
    return Table("heuristic", "Is the size heuristic right?", note, columns, scored)


def _regression(analysis: Analysis) -> Table:
    line = analysis.regression
    frame = pd.DataFrame([asdict(line)] if line else []).drop(columns="covariance", errors="ignore")
    if line:
        ends = line.low, line.high
        frame["interval"] = "no two ends" if None in ends else f"{line.low:.3g} to {line.high:.3g}"
    columns = (
        Column("pairs", "pairs", "count"),
        Column("intercept", "intercept", "number"),
        Column("slope", "slope", "number"),
        Column("p", "p of the slope", "p"),
        Column("r2", "R²", "number"),
        Column("crossover", "crossover", "number"),
        Column("interval", "its 90% interval"),
    )
    note = (
        "Least squares of Student's t on log10(target rows / support rows), pairs taken as "
        "independent. The crossover is the ratio of sizes at which neither strategy is better "
        "(1: equal sizes); its interval is Fieller's."
    )
    return Table("regression", "Where the crossover is", note, columns, frame)


def _best(analysis: Analysis) -> Table:
    columns = (
        _TARGET,
        _SUPPORT,
        *(_SIZES if has_sizes(analysis.best) else ()),
        Column("strategy", "better of the two"),
        Column("first", "score", "points"),
        Column("second", "single", "points"),
        _MAJORITY,
        Column("difference", "gain", "gain"),
        Column("low high", "90% interval", "interval"),
        Column("student_p", "p Student", "p"),
        Column("paired_p", "p paired", "p"),
    )
    note = (
        "The strategy with the higher mean of each pair against the target alone. Choosing the "
        "better one first flatters these gains a little. Student's interval over paired seeds. "
        "The figure's colours, and Holm and BH in the CSV, correct Student's p over the gains of "
        "both strategies and MTL-ALL, from which the better ones were chosen."
    )
    frame = _with_majority(analysis, analysis.best)
    title = "The better of each pair against single"
    bounds = ("low_seeds", "high_seeds")
    return Table("best_of_pair", title, note, columns, frame, (*bounds, *_SPREADS))


def _power(analysis: Analysis) -> Table:
    columns = (
        _TARGET,
        Column("pairs", "pairs", "count"),
        Column("seeds", "seeds", "count"),
        Column("sd_difference", "spread over seeds", "points"),
        Column("student", "Student", "points"),
        Column("paired", "paired", "points"),
        Column("paired_holm", "paired, Holm", "points"),
    )
    note = (
        "The smallest true difference, in points, that this many seeds find four times in five at "
        "p < 0.1, if the spread seen is the true one and scores are normal. Smaller differences "
        "may exist and not be seen; above 100 points none would be."
    )
    return Table("power", "What these seeds could have seen", note, columns, analysis.power)


def _strategies(analysis: Analysis) -> Table:
    columns = (
        Column("strategy", "strategy"),
        Column("cells", "cells", "count"),
        Column("score", "score", "points"),
        _MAJORITY,
        Column("gain", "gain over single", "gain"),
        Column("steps", "steps", "count"),
        Column("instances", "instances", "count"),
        Column("instances_per_point", "extra instances per point gained", "count"),
        *_counted(analysis.strategies),
    )
    note = "Means over targets and supports; steps and instances trained for one seed's score."
    return Table("strategies", "What the strategies cost", note, columns, analysis.strategies)


def _totals(analysis: Analysis) -> Table:
    columns = (
        Column("cost", "cost"),
        Column("with_reuse", "every stage once", "count"),
        Column("without_reuse", "without reuse", "count"),
    )
    note = "The whole study; a training that several scores need is done once."
    return Table("totals", "What the study cost", note, columns, analysis.totals)


def _scores(analysis: Analysis) -> Table:
    columns = (
        _TARGET,
        Column("strategy", "strategy"),
        _SUPPORT,
        *_SIZES,
        Column("seeds", "seeds", "count"),
        Column("score", "score", "points"),
        Column("sd", "spread", "points"),
        _MAJORITY,
        Column("gain", "gain over single", "gain"),
        Column("steps", "steps", "count"),
        Column("instances", "instances", "count"),
        Column("instances_per_point", "extra instances per point", "count"),
        *_counted(analysis.budget),
    )
    note = "Means over seeds and their standard deviation, in points."
    return Table("scores", "All scores and their cost", note, columns, analysis.budget)
