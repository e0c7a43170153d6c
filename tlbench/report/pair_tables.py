"""Makes the tables of a report that compare two strategies pair by pair."""

from dataclasses import asdict

import pandas as pd

from tlbench.analysis.settings import has_sizes
from tlbench.analysis.study import Analysis
from tlbench.report.columns import (
    INTERVALS,
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

_OUTCOMES = {"better": "yes", "worse": "no, it is worse", "equal": "no, they are equal"}
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
        "normal scores, equal spread and independent runs, and errs where one side is noisier. "
        "Welch's allows unequal spread. The paired test uses that both sides ran the same seeds. "
        "Holm bounds the chance of any false find at 10%, Benjamini-Hochberg the share of false "
        "finds; the pairs of this table are the one family that they correct for."
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
        *INTERVALS,
        Column("hedges_g", "g", "number"),
        Column("student_p", "p Student (the paper's)", "p"),
        Column("welch_p", "p Welch", "p"),
        Column("welch_holm", "Holm", "p"),
        Column("welch_bh", "BH", "p"),
        Column("paired_p", "p paired", "p"),
    )
    note = (
        "In points. Intervals are Welch's t intervals, over seeds alone, and over seeds and dev "
        "rows where predictions are saved; each holds for its own pair. g is the effect size: the "
        "difference in standard deviations over seeds (Hedges). Holm and BH correct Welch's p over "
        "all pairs; the paper's rule is Student's p < 0.1, uncorrected."
    )
    # Of both sides' methods the one that matters is in the column ``method``.
    frame = analysis.comparisons.drop(columns=["method_first", "method_second"])
    title = f"{sides.first_label} against {sides.second_label}, pair by pair"
    frame = with_majority(analysis, frame)
    return Table("comparisons", title, note, columns, frame, SPREADS)


def rules(analysis: Analysis) -> Table:
    """Return how often the size heuristic and constant rules are right."""
    frame, columns = analysis.rules.copy(), [Column("rule", "rule")]
    for part, name in (("applicable", "applicable pairs"), ("all", "all pairs")):
        right, pairs = frame[f"{part}_right"], frame[f"{part}_pairs"]
        frame[f"{part}_counts"] = [f"{k} of {n}" for k, n in zip(right, pairs, strict=True)]
        columns += [
            Column(f"{part}_counts", f"right, {name}"),
            Column(f"{part}_accuracy", f"accuracy, {name}", "percent"),
            Column(f"{part}_low {part}_high", f"90% exact, {name}", "shares"),
            Column(f"{part}_low_tasks {part}_high_tasks", f"90% over tasks, {name}", "shares"),
            Column(f"{part}_mcnemar_p", f"p McNemar, {name}", "p"),
        ]
    note = (
        "Applicable pairs are those that differ by the paper's rule. Majority always says what "
        "wins most often here. Regret is what following a rule loses against the better strategy "
        "of each pair, in points, on average. Exact binomial intervals take pairs as independent; "
        "the bootstrap over targets and supports does not. McNemar's exact test compares a rule "
        "with the size heuristic over the same pairs."
    )
    columns.append(Column("regret", "regret", "points"))
    scored = frame if len(analysis.comparisons) else frame.head(0)
    return Table("heuristic", "Is the size heuristic right?", note, columns, scored)


def across(analysis: Analysis) -> Table:
    """Return which strategy beats which over targets."""
    columns = (
        Column("first", "does", labels=analysis.labels.strategies),
        Column("second", "beat", labels=analysis.labels.strategies),
        Column("outcome", "over targets", labels=_OUTCOMES),
        Column("targets", "targets", "count"),
        Column("difference", "mean difference", "gain"),
        Column("better", "better on", "count"),
        Column("equal", "within half a point on", "count"),
        Column("worse", "worse on", "count"),
        Column("p", "p Wilcoxon", "p"),
    )
    note = (
        "Every target counts once, with its mean over supports and seeds at full size. Wilcoxon's "
        "signed-rank test with a region of no practical difference of half a point: better or "
        "worse is by more than that, equal is within it, at 90%. With fewer than five targets "
        "nothing can be decided."
    )
    return Table(
        "across", "Does one strategy beat another over tasks?", note, columns, analysis.across
    )


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
        *INTERVALS,
        Column("welch_p", "p Welch", "p"),
        Column("paired_p", "p paired", "p"),
    )
    several = " at its best method" if analysis.labels.has_methods else ""
    note = (
        f"The strategy with the higher mean of each pair{several} against the target alone. "
        "Choosing the better one first flatters these gains a little, and no p is corrected: what "
        "holds for all candidates of a target together is above. Intervals are Welch's."
    )
    frame = with_majority(analysis, analysis.best)
    title = f"The better of each pair against {baseline_label(analysis)}"
    return Table("best_of_pair", title, note, columns, frame, SPREADS)


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
