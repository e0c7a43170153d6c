"""Draws what depends on sizes: scores of a pair, and t by the ratio of target to support."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import stats

from tlbench.analysis.comparisons import ALPHA
from tlbench.analysis.heuristic import Regression
from tlbench.analysis.names import Sides
from tlbench.report.style import BLUE, ORANGE, STYLE, WIDTH

_FIRST: Any = {"color": BLUE, "marker": "o", "linestyle": "-"}
_SECOND: Any = {"color": ORANGE, "marker": "s", "linestyle": "--"}
_FEW = 8  # ratios of sizes, each with a tick of its own


def size_lines(pair: pd.DataFrame, sides: Sides) -> Figure:
    """Draw a pair's scores under both sides at every size, a panel per target size.

    Bars are Student's 90% intervals of each mean over seeds.

    Args:
        pair: the comparisons of one target with one support, one row a combination of sizes.
    """
    target, support = pair.target.iloc[0], pair.support.iloc[0]
    sizes = sorted(pair.target_rows.unique(), reverse=True)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 1.9 * len(sizes)))
        panels = figure.subplots(len(sizes), 1, sharex=True, squeeze=False)[:, 0]
        for axes, size in zip(panels, sizes, strict=True):
            rows = pair[pair.target_rows == size].sort_values("support_rows")
            _line(axes, rows, "first", label=sides.first_label, **_FIRST)
            _line(axes, rows, "second", label=sides.second_label, **_SECOND)
            axes.axvline(1, color="#888888", lw=0.8, linestyle=":")
            axes.set_title(f"{target}: {size:,} rows", loc="left")
            axes.set_ylabel("score (points)")
        _ratio_axis(panels[-1], f"rows of {support} per row of {target}")
        ratios = (pair.support_rows / pair.target_rows).round(2).unique()
        if len(ratios) <= _FEW:
            panels[-1].set_xticks(sorted(ratios))
        panels[0].legend(frameon=False, ncols=2, fontsize=7)
    return figure


def _line(axes: Axes, rows: pd.DataFrame, side: str, **style: Any) -> None:
    quantile = stats.t.ppf(1 - ALPHA / 2, (rows.seeds - 1).clip(lower=1))
    half = quantile * rows[f"sd_{side}"] / np.sqrt(rows.seeds)
    ratio, bars = rows.support_rows / rows.target_rows, 100 * half.fillna(0)
    axes.errorbar(ratio, 100 * rows[side], yerr=bars, markersize=4, capsize=2, lw=1.2, **style)


def t_regression(comparisons: pd.DataFrame, line: Regression, sides: Sides) -> Figure:
    """Draw Student's t of every pair by the ratio of sizes, the fitted line and its 90% band."""
    usable = comparisons[comparisons.student_t.notna() & (comparisons.support_rows > 0)]
    ratio = usable.target_rows / usable.support_rows
    x = np.linspace(np.log10(ratio.min()), np.log10(ratio.max()), 100)
    design = np.column_stack([np.ones_like(x), x])
    # The standard error of the line at every x: sqrt(x' C x).
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
        axes.set_ylabel(f"Student's t (above 0: {sides.first_label} better)")
        _ratio_axis(axes, "target rows per support row (log scale)")
        figure.legend(loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    return figure


def _marks(axes: Axes, ratio: "pd.Series[float]", pairs: pd.DataFrame) -> None:
    right = pairs.applicable & ~pairs.miss
    for name, part, mark, face, edge in (
        ("not significant", ~pairs.applicable, "o", "none", "#666666"),
        ("heuristic right", right, "o", BLUE, BLUE),
        ("heuristic wrong", pairs.miss, "X", ORANGE, ORANGE),
    ):
        t = pairs.student_t[part]
        axes.scatter(ratio[part], t, s=18, label=name, lw=0.8, marker=mark, fc=face, ec=edge)


def _ratio_axis(axes: Axes, label: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
