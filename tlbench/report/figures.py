"""The figures, in colours that colour-blind people can tell apart and sizes that a phone can show.

Blue is MTL, or better than single; orange is STILTs, or worse. Scores are in points.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import stats

from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.heuristic import Regression

BLUE, PALE_BLUE, GREY, PALE_ORANGE, ORANGE = "#0a5f9e", "#9ccbe8", "#eeeeee", "#f8c891", "#b34700"
WIDTH = 4.7  # inches: about a phone's width, so that text keeps its size there
_MANY = 14  # tasks: numbers in a heat map's cells need room
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "tlbench",  # the same figure is the same file
    "text.parse_math": False,  # a task may be called $x
    "hatch.linewidth": 0.6,
    "figure.constrained_layout.use": True,
}


def heat_map(
    frame: pd.DataFrame,
    tasks: Sequence[str],
    blue: str,
    orange: str,
    missing: Iterable[tuple[str, str]] = (),
) -> Figure:
    """Differences in points, targets in rows and supports in columns, coloured by significance.

    Args:
        frame: a comparison, one row a (target, support); ``miss`` frames a cell.
        blue, orange: what a positive and a negative difference mean.
    """
    targets = [t for t in tasks if t in set(frame.target) | {t for t, _ in missing}]
    supports = [t for t in tasks if t in set(frame.support) | {s for _, s in missing}]
    side = max(WIDTH, 0.34 * (len(supports) + 2))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(side, 1.6 + 0.4 * len(targets)))
        axes = figure.add_subplot()
        for row in frame.itertuples():
            _cell(axes, supports.index(row.support), targets.index(row.target), row, len(supports))
        for target, support in missing:
            place = supports.index(support), targets.index(target)
            axes.add_patch(Rectangle(place, 1, 1, fc="white", ec="#888888", hatch="////", lw=0.4))
        _task_axes(axes, targets, supports)
        figure.legend(
            handles=_key(blue, orange, "miss" in frame, bool(missing)),
            loc="outside lower center",
            ncols=2,
            fontsize=7,
            frameon=False,
            handlelength=1.4,
        )
    return figure


def _cell(axes: Axes, x: int, y: int, row: pd.Series, columns: int) -> None:
    face, text = _colours(row)
    axes.add_patch(Rectangle((x, y), 1, 1, fc=face, ec="white", lw=1))
    if getattr(row, "miss", False):
        axes.add_patch(Rectangle((x + 0.06, y + 0.06), 0.88, 0.88, fill=False, ec="black", lw=1.6))
        axes.text(x + 0.86, y + 0.26, "×", ha="right", va="center", fontsize=7, color=text)
    if columns <= _MANY:
        shown = f"{100 * row.difference:+.1f}"
        axes.text(x + 0.5, y + 0.55, shown, ha="center", va="center", fontsize=6.5, color=text)


def _colours(row: pd.Series) -> tuple[str, str]:
    """A cell's colour and that of its text."""
    if not row.student_p < ALPHA:
        return GREY, "black"
    strong = row.student_holm < ALPHA
    if row.difference > 0:
        return (BLUE, "white") if strong else (PALE_BLUE, "black")
    return (ORANGE, "white") if strong else (PALE_ORANGE, "black")


def _key(blue: str, orange: str, misses: bool, missing: bool) -> list[Patch]:
    found = [
        Patch(fc=BLUE, label=f"{blue}, also after Holm"),
        Patch(fc=PALE_BLUE, label=f"{blue}, p < {ALPHA}"),
        Patch(fc=ORANGE, label=f"{orange}, also after Holm"),
        Patch(fc=PALE_ORANGE, label=f"{orange}, p < {ALPHA}"),
        Patch(fc=GREY, label="no significant difference"),
    ]
    if misses:
        found.append(Patch(fc="white", ec="black", lw=1.6, label="× size heuristic wrong"))
    if missing:
        found.append(Patch(fc="white", ec="#888888", hatch="////", label="missing"))
    return found


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


def size_lines(comparisons: pd.DataFrame, target: str, support: str) -> Figure:
    """A pair's scores under MTL and STILTs at every size, a panel per target size.

    Bars are Student's 90% intervals of each mean over seeds.
    """
    pair = comparisons[(comparisons.target == target) & (comparisons.support == support)]
    sizes = sorted(pair.target_rows.unique(), reverse=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 1.9 * len(sizes)))
        panels = figure.subplots(len(sizes), 1, sharex=True, squeeze=False)[:, 0]
        for axes, size in zip(panels, sizes, strict=True):
            rows = pair[pair.target_rows == size].sort_values("support_rows")
            ratio = rows.support_rows / rows.target_rows
            for side, name, colour, mark, line in _SIDES:
                half = (
                    stats.t.ppf(1 - ALPHA / 2, (rows.seeds - 1).clip(lower=1))
                    * rows[f"sd_{side}"]
                    / np.sqrt(rows.seeds)
                )
                axes.errorbar(
                    ratio,
                    100 * rows[side],
                    yerr=100 * half.fillna(0),
                    label=name,
                    color=colour,
                    marker=mark,
                    linestyle=line,
                    markersize=4,
                    capsize=2,
                    lw=1.2,
                )
            axes.axvline(1, color="#888888", lw=0.8, linestyle=":")
            axes.set_title(f"{target}: {size:,} rows", loc="left")
            axes.set_ylabel("score (points)")
        _ratio_axis(panels[-1], f"rows of {support} per row of {target}", comparisons)
        panels[0].legend(frameon=False, ncols=2, fontsize=7)
    return figure


_SIDES = (("first", "MTL", BLUE, "o", "-"), ("second", "STILTs", ORANGE, "s", "--"))


def t_regression(comparisons: pd.DataFrame, line: Regression) -> Figure:
    """Student's t of every pair by the ratio of sizes, the fitted line and its 90% band."""
    usable = comparisons[comparisons.student_t.notna() & (comparisons.support_rows > 0)]
    ratio = usable.target_rows / usable.support_rows
    x = np.linspace(np.log10(ratio.min()), np.log10(ratio.max()), 100)
    design = np.column_stack([np.ones_like(x), x])
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, np.array(line.covariance), design))
    half = stats.t.ppf(1 - ALPHA / 2, line.pairs - 2) * error
    middle = line.intercept + line.slope * x
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 3.6))
        axes = figure.add_subplot()
        _marks(axes, ratio, usable)
        axes.plot(10**x, middle, color="black", lw=1.2)
        axes.fill_between(10**x, middle - half, middle + half, color="#000000", alpha=0.12, lw=0)
        axes.axhline(0, color="#888888", lw=0.8)
        axes.axvline(1, color="#888888", lw=0.8, linestyle=":")
        axes.set_ylabel("Student's t (above 0: MTL better)")
        _ratio_axis(axes, "target rows per support row (log scale)", None)
        figure.legend(loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    return figure


def _marks(axes: Axes, ratio: "pd.Series[float]", pairs: pd.DataFrame) -> None:
    right = pairs.applicable & ~pairs.miss
    for name, part, mark, face, edge in (
        ("not significant", ~pairs.applicable, "o", "none", "#666666"),
        ("heuristic right", right, "o", BLUE, BLUE),
        ("heuristic wrong", pairs.miss, "X", ORANGE, ORANGE),
    ):
        found = pairs.student_t[part]
        axes.scatter(ratio[part], found, s=18, label=name, lw=0.8, marker=mark, fc=face, ec=edge)


def _ratio_axis(axes: Axes, label: str, comparisons: pd.DataFrame | None) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if comparisons is not None:
        ratios = (comparisons.support_rows / comparisons.target_rows).round(2).unique()
        if len(ratios) <= 8:
            axes.set_xticks(sorted(ratios))


def svg(figure: Figure) -> str:
    """A figure as SVG text, the same for the same figure."""
    out = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def write(figure: Figure, folder: Path, name: str) -> str:
    """Write ``name.svg`` and ``name.png``; the SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    text = svg(figure)
    (folder / f"{name}.svg").write_text(text, "utf-8")
    with mpl.rc_context(STYLE):
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})
    return text
