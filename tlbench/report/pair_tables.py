"""Makes the tables of a report that compare two strategies pair by pair."""

from dataclasses import asdict

import pandas as pd

from tlbench.analysis.settings import has_sizes
from tlbench.analysis.study import Analysis
from tlbench.report.columns import (
    MAJORITY,
    SIZES,
    SPREADS,
    SUPPORT,
    TARGET,
    baseline_label,
    method_columns,
    strategy_columns,
    with_majority,
)
from tlbench.report.format import Column, Table

_TESTS = {"student": "Student", "welch": "Welch"}


def tests(analysis: Analysis) -> Table:
    """Return how many pairs each test finds different."""
    columns = (
        Column("test", "test", labels=_TESTS),
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


def comparisons(analysis: Analysis) -> Table:
    """Return both sides' scores, pair by pair, with what the tests say."""
    sides = analysis.sides
    columns = (
        TARGET,
        SUPPORT,
        *method_columns(analysis.labels),
        *(SIZES if has_sizes(analysis.comparisons) else ()),
        Column("first", sides.first_label, "points"),
        Column("second", sides.second_label, "points"),
        MAJORITY,
        Column("difference", f"{sides.first_label} − {sides.second_label}", "gain"),
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
    # Of both sides' methods the one that matters is in the column ``method``.
    frame = analysis.comparisons.drop(columns=["method_first", "method_second"])
    title = f"{sides.first_label} against {sides.second_label}, pair by pair"
    more_points = ("low", "high", *SPREADS)
    frame = with_majority(analysis, frame)
    return Table("comparisons", title, note, columns, frame, more_points)


def rules(analysis: Analysis) -> Table:
    """Return how often the size heuristic and constant rules are right."""
    frame, columns = analysis.rules.copy(), [Column("rule", "rule")]
    for part, name in (("applicable", "applicable pairs"), ("all", "all pairs")):
        right, pairs, low, high = (
            frame[f"{part}_{key}"] for key in ("right", "pairs", "low", "high")
        )
        frame[f"{part}_counts"] = [f"{k} of {n}" for k, n in zip(right, pairs, strict=True)]
        frame[f"{part}_interval"] = [
            "-" if pd.isna(a) else f"{100 * a:.0f} to {100 * b:.0f}%"
            for a, b in zip(low, high, strict=True)
        ]
        columns += [
            Column(f"{part}_counts", f"right, {name}"),
            Column(f"{part}_accuracy", f"accuracy, {name}", "percent"),
            Column(f"{part}_interval", f"90% interval, {name}"),
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


def regression(analysis: Analysis) -> Table:
    """Return the line through the t statistics."""
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


def best(analysis: Analysis) -> Table:
    """Return the better side of each pair against the baseline."""
    columns = (
        TARGET,
        SUPPORT,
        *(SIZES if has_sizes(analysis.best) else ()),
        *strategy_columns(analysis.labels, "better of the two"),
        Column("first", "score", "points"),
        Column("second", baseline_label(analysis), "points"),
        MAJORITY,
        Column("difference", "gain", "gain"),
        Column("low high", "90% interval", "interval"),
        Column("student_p", "p Student", "p"),
        Column("paired_p", "p paired", "p"),
    )
    several = " at its best method" if analysis.labels.has_methods else ""
    note = (
        f"The strategy with the higher mean of each pair{several} against the target alone. "
        "Choosing the better one first flatters these gains a little. Student's interval over "
        "paired seeds. The figure's colours, and Holm and BH in the CSV, correct Student's p over "
        "the gains of all strategies, from which the better ones were chosen."
    )
    frame = with_majority(analysis, analysis.best)
    title = f"The better of each pair against {baseline_label(analysis)}"
    bounds = ("low_seeds", "high_seeds")
    return Table("best_of_pair", title, note, columns, frame, (*bounds, *SPREADS))


def power(analysis: Analysis) -> Table:
    """Return what difference the seeds could have seen."""
    columns = (
        TARGET,
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
