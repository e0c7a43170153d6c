"""Draws differences of targets and supports as a map, in points."""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from tlbench.analysis.comparisons import ALPHA
from tlbench.console import points
from tlbench.report import hover
from tlbench.report.style import BLUE, GREY, ORANGE, PALE_BLUE, PALE_ORANGE, STYLE, WIDTH

_MANY = 14  # supports: a number in each cell needs room


def heat_map(
    frame: pd.DataFrame,
    tasks: Sequence[str],
    blue: str,
    orange: str,
    missing: Iterable[tuple[str, str]] = (),
) -> Figure:
    """Draw differences in points, targets in rows and supports in columns.

    Args:
        frame: a comparison, one row a (target, support); ``miss`` frames a cell.
        tasks: the order of targets and supports.
        blue, orange: what a positive and a negative difference mean.
        missing: the (target, support) that were not compared.
    """
    absent = list(missing)
    targets = _ordered(tasks, [*frame.target, *(target for target, _ in absent)])
    supports = _ordered(tasks, [*frame.support, *(support for _, support in absent)])
    side = max(WIDTH, 0.34 * (len(supports) + 2))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(side, 1.6 + 0.4 * len(targets)))
        axes = figure.add_subplot()
        for row in frame.itertuples():
            _cell(axes, supports.index(row.support), targets.index(row.target), row, len(supports))
        for target, support in absent:
            place = supports.index(support), targets.index(target)
            axes.add_patch(Rectangle(place, 1, 1, fc="white", ec="#888888", hatch="////", lw=0.4))
        _task_axes(axes, targets, supports)
        _legend(figure, _key(blue, orange, "miss" in frame, bool(absent)))
    return figure


def _ordered(tasks: Sequence[str], names: Iterable[str]) -> list[str]:
    """Return names in the order of tasks; what is no task, as all together, comes last."""
    wanted = set(names)
    return [*(task for task in tasks if task in wanted), *sorted(wanted - set(tasks))]


def _cell(axes: Axes, x: int, y: int, row: pd.Series, columns: int) -> None:
    face, text = _colours(row)
    rectangle = axes.add_patch(Rectangle((x, y), 1, 1, fc=face, ec="white", lw=1))
    hover.say(rectangle, _in_words(row))
    if getattr(row, "miss", False):
        axes.add_patch(Rectangle((x + 0.06, y + 0.06), 0.88, 0.88, fill=False, ec="black", lw=1.6))
        axes.text(x + 0.86, y + 0.26, "×", ha="right", va="center", fontsize=7, color=text)
    if columns <= _MANY:
        shown = f"{100 * row.difference:+.1f}"
        axes.text(x + 0.5, y + 0.55, shown, ha="center", va="center", fontsize=6.5, color=text)


def _in_words(row: pd.Series) -> str:
    parts = [f"{points(row.difference, signed=True)} points"]
    parts += [f"{label} {p:.3f}" for label, p in _ps(row) if pd.notna(p)]
    wrong = ", the size heuristic is wrong" if getattr(row, "miss", False) else ""
    return f"{row.target} with {row.support}: {', '.join(parts)}; {row.seeds} seeds{wrong}"


def _ps(row: pd.Series) -> tuple[tuple[str, float], ...]:
    """Return the tests that a cell's colour shows: the paper's for pairs, Welch's for gains."""
    if not _is_pair(row):
        return (("Welch's p", row.welch_p),)
    return ("Student's p", row.student_p), ("Welch's after Holm", row.welch_holm)


def _is_pair(row: pd.Series) -> bool:
    return "welch_holm" in row._fields


def _colours(row: pd.Series) -> tuple[str, str]:
    """Return a cell's colour and that of its text."""
    (_, p), *corrected = _ps(row)
    if not p < ALPHA:
        return GREY, "black"
    strong = any(after < ALPHA for _, after in corrected)
    if row.difference > 0:
        return (BLUE, "white") if strong else (PALE_BLUE, "black")
    return (ORANGE, "white") if strong else (PALE_ORANGE, "black")


def _key(blue: str, orange: str, misses: bool, missing: bool) -> list[Patch]:
    """Return the legend of pairs, which have misses and corrections, or of gains."""
    sides = ((blue, BLUE, PALE_BLUE), (orange, ORANGE, PALE_ORANGE))
    patches = []
    for words, strong, pale in sides:
        if misses:
            patches.append(Patch(fc=strong, label=f"{words}, also Welch's after Holm"))
        patches.append(Patch(fc=pale, label=f"{words}, p < {ALPHA}"))
    patches.append(Patch(fc=GREY, label="no significant difference"))
    if misses:
        patches.append(Patch(fc="white", ec="black", lw=1.6, label="× size heuristic wrong"))
    if missing:
        patches.append(Patch(fc="white", ec="#888888", hatch="////", label="missing"))
    return patches


def _legend(figure: Figure, patches: list[Patch]) -> None:
    below: Any = {"loc": "outside lower center", "ncols": 2}
    figure.legend(handles=patches, **below, fontsize=7, frameon=False, handlelength=1.4)


def _task_axes(axes: Axes, targets: Sequence[str], supports: Sequence[str]) -> None:
    axes.set_xlim(0, len(supports))
    axes.set_ylim(len(targets), 0)
    slanted: Any = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"}
    axes.set_xticks(np.arange(len(supports)) + 0.5, supports, fontsize=7, **slanted)
    axes.set_yticks(np.arange(len(targets)) + 0.5, targets, fontsize=7)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, top=False, bottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("support task, largest first")
    axes.set_ylabel("target task, largest first")
    for spine in axes.spines.values():
        spine.set_visible(False)
