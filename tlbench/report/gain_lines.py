"""Draws how a target's gains depend on sizes: a line a candidate, a panel a size of the target."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tlbench.analysis.advice import Advice
from tlbench.analysis.judged import Candidate
from tlbench.records.definitions import ALL, BASELINE, NONE
from tlbench.report import hover
from tlbench.report.strip import in_words
from tlbench.report.style import COLOURS, MARKS, STYLE

MOST = len(COLOURS)  # lines
_WIDTH = 4.0  # inches
_MANY = 3  # sizes of one support: from here on lines say more than a row for each
_FEW_TICKS = 8

Line = tuple[str, str, str]  # strategy, method, support


class _Point(NamedTuple):
    rows: int
    one: Candidate
    advice: Advice


def are_lines(advices: Sequence[Advice]) -> bool:
    """Return whether a target was run at so many sizes that lines are drawn."""
    return len(advices) > 1 or any(_most_sizes(advice) >= _MANY for advice in advices)


def gain_lines(advices: Sequence[Advice]) -> Figure:
    """Draw the gains over ``single`` by size, with their intervals; scores where it has none.

    Args:
        advices: of one target, one for each of its sizes.
    """
    is_gain = any(np.isfinite(one.gain) for a in advices for one in a.verdict.candidates)
    by_support = any(_most_sizes(advice) > 1 for advice in advices)
    panels = [[advice] for advice in advices] if by_support else [list(advices)]
    lines = _lines(advices)
    with mpl.rc_context(STYLE | {"font.size": 8.5}):
        height = 1.0 + 2.2 * len(panels) + 0.17 * len(lines)
        figure = Figure(figsize=(_WIDTH, height))
        drawn = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        for axes, shown in zip(drawn, panels, strict=True):
            _panel(axes, shown, lines, is_gain, by_support)
        what = "support" if by_support else "target"
        drawn[-1].set_xlabel(f"rows of the {what} (log scale)")
        handles, names = drawn[0].get_legend_handles_labels()
        place: Any = {"loc": "outside lower center"}
        figure.legend(handles, names, fontsize=7.5, frameon=False, ncols=1, **place)
    return figure


def _most_sizes(advice: Advice) -> int:
    sizes = defaultdict(set)
    for one in advice.verdict.candidates:
        sizes[_line_of(one)].add(one.support_rows)
    return max(map(len, sizes.values()), default=0)


def _line_of(one: Candidate) -> Line:
    return one.strategy, one.method, one.support


def _lines(advices: Sequence[Advice]) -> list[Line]:
    """Return the lines to draw: those of the highest mean gain, or score."""
    values = defaultdict(list)
    for advice in advices:
        for one in advice.verdict.candidates:
            if one.seeds and one.strategy != BASELINE:
                values[_line_of(one)].append(one.score if np.isnan(one.gain) else one.gain)
    means = {line: float(np.mean(of_line)) for line, of_line in values.items()}
    return sorted(means, key=lambda line: -means[line])[:MOST]


def _panel(
    axes: Axes, advices: list[Advice], lines: list[Line], is_gain: bool, by_support: bool
) -> None:
    ticks: set[int] = set()
    for number, line in enumerate(lines):
        points = [
            _Point(one.support_rows if by_support else advice.target_rows, one, advice)
            for advice in advices
            for one in advice.verdict.candidates
            if _line_of(one) == line and one.seeds
        ]
        ticks |= {point.rows for point in points}
        _line(axes, sorted(points, key=lambda point: point.rows), number, is_gain)
    if is_gain:
        axes.axhline(0, color="black", lw=0.8, zorder=1)
    first = advices[0]
    rows = f": {first.target_rows:,} rows" if by_support else ""
    axes.set_title(f"{first.target}{rows}", loc="left")
    axes.set_ylabel(f"gain over {first.single} (points)" if is_gain else "score (points)")
    _log_rows(axes, sorted(ticks))


def _line(axes: Axes, points: list[_Point], number: int, is_gain: bool) -> None:
    if not points:
        return
    first = points[0]
    label = first.advice.labels.candidate(first.one.strategy, first.one.method)
    is_named = first.one.support not in (NONE, ALL)
    name = f"{label} with {first.one.support}" if is_named else label
    colour, mark = COLOURS[number], MARKS[number]
    rows = np.array([point.rows for point in points])
    values = np.array([100 * (p.one.gain if is_gain else p.one.score) for p in points])
    style = "-" if number % 2 == 0 else "--"
    axes.plot(rows, values, style, marker=mark, color=colour, lw=1.2, ms=4.5, label=name, zorder=4)
    for row, value, point in zip(rows, values, points, strict=True):
        if np.isfinite(point.one.low):
            ends = [100 * point.one.low, 100 * point.one.high]
            axes.plot([row, row], ends, color=colour, lw=0.8, alpha=0.7, zorder=2)
        if np.isfinite(value):
            text = (
                f"{point.advice.target} ({point.advice.target_rows:,} rows), "
                f"{in_words(point.one, point.advice)}"
            )
            hover.say_at(axes, row, value, text)


def _log_rows(axes: Axes, ticks: list[int]) -> None:
    axes.set_xscale("log")
    if 0 < len(ticks) <= _FEW_TICKS:
        axes.set_xticks(ticks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
