"""Makes the figures of a report, as the numbers allow, with their captions."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from tlbench.analysis.settings import at_full_size
from tlbench.analysis.study import Analysis
from tlbench.records.definitions import BASELINE, NONE
from tlbench.report.heat_map import heat_map
from tlbench.report.size_figures import size_lines, t_regression
from tlbench.report.style import file_name

_MOST_PAIRS = 12  # with lines of their own


def make_figures(analysis: Analysis) -> Iterator[tuple[str, str, Figure]]:
    """Yield every figure that the numbers allow: name, caption, figure."""
    yield from _heat_maps(analysis)
    yield from _best_of_pair(analysis)
    if analysis.regression:
        yield (
            "regression",
            f"Each mark is a pair. Left of 1 the target is the smaller task, where the size "
            f"heuristic expects {analysis.sides.first_label} (above 0). The band is the line's 90% "
            f"interval.",
            t_regression(analysis.comparisons, analysis.regression, analysis.sides),
        )
    yield from _size_lines(analysis)


def _heat_maps(analysis: Analysis) -> Iterator[tuple[str, str, Figure]]:
    """Yield one map of both sides a method: a cell of it has room for one difference."""
    full = at_full_size(analysis.comparisons)
    first, second = analysis.sides.first_label, analysis.sides.second_label
    methods = {*full.method, *(method for _, _, method in analysis.missing)}
    for method in sorted(methods):
        name, words = _of_method(analysis, method, methods)
        absent = [(t, s) for t, s, missing_at in analysis.missing if missing_at == method]
        yield (
            f"heat_map{name}",
            f"{first} minus {second} in points{words}. Blue: {first} is better; orange: {second} "
            f"is better; grey: no significant difference by the paper's rule. A frame with a cross "
            f"marks a significant difference that the size heuristic gets wrong.",
            heat_map(
                full[full.method == method],
                analysis.tasks,
                f"{first} better",
                f"{second} better",
                absent,
            ),
        )


def _of_method(analysis: Analysis, method: str, methods: set[str]) -> tuple[str, str]:
    """Return the end of a file's name and of a caption; nothing where one method is compared."""
    labels = analysis.labels
    if method == NONE or not (labels.has_methods or len(methods) > 1):
        return "", ""
    return f"_{file_name(method)}", f", method {labels.method(method)}"


def _best_of_pair(analysis: Analysis) -> Iterator[tuple[str, str, Figure]]:
    best = at_full_size(analysis.best.drop(columns=["strategy", "method"]))
    if best.empty:
        return
    labels, sides = analysis.labels, analysis.sides
    baseline = labels.candidate(BASELINE, NONE)
    compared = {
        (target, support) for target, support in zip(best.target, best.support, strict=True)
    }
    absent = sorted({(t, s) for t, s, _ in analysis.missing} - compared)
    several = ", at its best method," if labels.has_methods else ""
    yield (
        "best_of_pair",
        f"The better of {sides.first_label} and {sides.second_label}{several} minus {baseline}, in "
        f"points: does the support help at all?",
        heat_map(best, analysis.tasks, f"better than {baseline}", f"worse than {baseline}", absent),
    )


def _size_lines(analysis: Analysis) -> Iterator[tuple[str, str, Figure]]:
    pairs = analysis.comparisons.groupby(["target", "support", "method"])
    several = [(key, pair) for key, pair in pairs if len(pair) > 1]
    for (target, support, method), pair in several[:_MOST_PAIRS]:
        name, words = _of_method(analysis, method, {*analysis.comparisons.method})
        yield (
            f"sizes_{file_name(target)}_{file_name(support)}{name}",
            f"{target} with {support}{words}: mean scores with 90% intervals over seeds. The "
            f"dotted line is where both tasks have as many rows.",
            size_lines(pair, analysis.sides),
        )
