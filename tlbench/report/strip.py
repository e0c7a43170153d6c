"""Draws the candidates of a target: each one's gain over ``single`` with its interval, and cost."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from tlbench.analysis.advice import Advice
from tlbench.analysis.judged import Candidate
from tlbench.console import points
from tlbench.records.definitions import BASELINE
from tlbench.report import hover
from tlbench.report.style import BLUE, ORANGE, STYLE

MOST = 24  # candidates drawn; the table has all
_WIDTH, _ROW, _HEAD, _FOOT = 4.0, 0.36, 0.28, 1.05  # inches: so narrow that a phone shows 10 px
_BAND, _OUT, _DARK = "#e4f0f8", "#8a8a8a", "#333333"
_WIDEST = 3.0  # times the median half width: a wider interval is cut off at the edge


def strip(advice: Advice) -> Figure:
    """Draw a target's candidates, the highest expected score first, those without a score last.

    Where ``single`` has no score the axis is the score itself, without intervals.
    """
    shown = in_order(advice)[:MOST]
    is_gain = any(np.isfinite(one.gain) for one in shown)
    with mpl.rc_context(STYLE | {"font.size": 8.5}):
        figure = Figure(figsize=(_WIDTH, _HEAD + _ROW * len(shown) + _FOOT))
        axes = figure.add_subplot()
        low, high = _limits(shown, is_gain)
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.3, -0.75)
        for row, one in enumerate(shown):
            _candidate(axes, row, one, advice, is_gain)
        if is_gain:
            axes.axvline(0, color="black", lw=0.8, zorder=1)
        _frame(axes, advice, is_gain)
        _legend(figure, shown, is_gain)
    return figure


def in_order(advice: Advice) -> list[Candidate]:
    """Return the candidates by expected score; those without a score last."""
    return sorted(advice.verdict.candidates, key=lambda one: (one.seeds == 0, -_expected(one)))


def in_words(one: Candidate, advice: Advice) -> str:
    """Return a candidate's numbers as a line of text."""
    if one.seeds == 0:
        return f"{advice.name(one)}: no score"
    parts = [f"{points(one.score)} points"]
    if one.strategy != BASELINE and np.isfinite(one.gain):
        parts.append(f"gain {points(one.gain, signed=True)}")
    if np.isfinite(one.low):
        low, high = points(one.low, signed=True), points(one.high, signed=True)
        over = "seeds and rows" if one.has_rows else "seeds alone"
        parts.append(f"{100 * advice.verdict.level:.0f}% interval {low} to {high} over {over}")
    if one.strategy != BASELINE and np.isfinite(one.shrunk):
        parts.append(f"to expect {points(one.shrunk, signed=True)}")
    if np.isfinite(one.probability):
        parts.append(f"the best with {_percent(one.probability)}")
    if not one.may_be_best:
        parts.append("certainly not the best")
    parts.append(f"{one.look or one.seeds} seeds")
    if np.isfinite(one.cost):
        parts.append(f"{one.cost:,.0f} passes")
    return f"{advice.name(one)}: {', '.join(parts)}"


def _expected(one: Candidate) -> float:
    if np.isfinite(one.shrunk):
        return one.shrunk
    value = one.gain if np.isfinite(one.gain) else one.score
    return value if np.isfinite(value) else -np.inf


def _value(one: Candidate, is_gain: bool) -> float:
    return 100 * (one.gain if is_gain else one.score)


def _limits(shown: list[Candidate], is_gain: bool) -> tuple[float, float]:
    values = [_value(one, is_gain) for one in shown if np.isfinite(_value(one, is_gain))]
    halves = [50 * (one.high - one.low) for one in shown if np.isfinite(one.low)]
    if is_gain:
        values.append(0.0)
        values += [100 * one.shrunk for one in shown if np.isfinite(one.shrunk)]
    widest = _WIDEST * float(np.median(halves)) if halves else 0.0
    reach = [
        _value(one, is_gain) + sign * min(50 * (one.high - one.low), widest)
        for one in shown
        if np.isfinite(one.low)
        for sign in (-1, 1)
    ]
    low, high = min([*values, *reach], default=0.0), max([*values, *reach], default=1.0)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin


def _candidate(axes: Axes, row: int, one: Candidate, advice: Advice, is_gain: bool) -> None:
    is_best = one is advice.verdict.best
    across = axes.get_yaxis_transform()
    area: Any = {"xy": (0, row - 0.7), "width": 1, "height": 1, "transform": across}
    if is_best:
        axes.add_patch(Rectangle(**area, fc=_BAND, ec="none", zorder=0))
    ink = "black" if one.may_be_best and one.seeds else "#5c5c5c"
    above: Any = {"va": "center", "transform": across, "color": ink}
    weight = "bold" if is_best else "normal"
    axes.text(0.01, row - 0.45, advice.name(one), ha="left", weight=weight, **above)
    axes.text(0.99, row - 0.45, _aside(one), ha="right", fontsize=8, **above)
    _mark(axes, row, one, is_gain)
    told = Rectangle(**area, fc="white", ec="none", zorder=9)
    hover.say(axes.add_patch(told), in_words(one, advice), is_area=True)


def _aside(one: Candidate) -> str:
    """Return what stands at the end of a candidate's line: probability and cost."""
    if one.seeds == 0:
        return "no score"
    likely = "" if np.isnan(one.probability) else _percent(one.probability)
    parts = [likely if one.may_be_best else "not best", _short(one.cost)]
    return " · ".join(part for part in parts if part)


def _percent(share: float) -> str:
    return "<1%" if 100 * share < 0.5 else f"{100 * share:.0f}%"


def _short(count: float) -> str:
    if np.isnan(count):
        return ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{letter}"
    return f"{count:.0f}"


def _mark(axes: Axes, row: int, one: Candidate, is_gain: bool) -> None:
    value = _value(one, is_gain)
    if np.isnan(value):
        return
    colour = BLUE if one.proved == "better" else _DARK if one.may_be_best else _OUT
    if np.isfinite(one.low):
        low, high = axes.get_xlim()
        ends = np.clip([100 * one.low, 100 * one.high], low, high)
        axes.plot(ends, [row, row], color=colour, lw=2.2, solid_capstyle="butt", zorder=3)
        for end, edge, arrow in ((100 * one.low, low, "<"), (100 * one.high, high, ">")):
            if not low <= end <= high:
                axes.plot(edge, row, arrow, color=colour, ms=5, clip_on=False, zorder=3)
    face = colour if one.may_be_best else "white"
    axes.plot(value, row, "o", ms=6, mfc=face, mec=colour, zorder=5)
    if is_gain and one.strategy != BASELINE and np.isfinite(one.shrunk):
        axes.plot(100 * one.shrunk, row, "D", ms=4.5, mfc=ORANGE, mec="white", mew=0.7, zorder=6)


def _frame(axes: Axes, advice: Advice, is_gain: bool) -> None:
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    single = advice.verdict.single
    if is_gain and single is not None:
        axes.set_xlabel(f"gain over {advice.single} ({points(single.score)}), in points")
    else:
        axes.set_xlabel("score, in points")
    axes.set_title("probability of being best · passes", loc="right", fontsize=8)


def _legend(figure: Figure, shown: list[Candidate], is_gain: bool) -> None:
    line: Any = {"lw": 2.2, "color": _DARK}
    handles: list[Any] = [Line2D([], [], marker="o", lw=0, color=_DARK, label="measured")]
    if any(np.isfinite(one.low) for one in shown):
        handles.append(Line2D([], [], **line, label="interval"))
    if any(one.proved == "better" for one in shown):
        handles.append(Line2D([], [], **(line | {"color": BLUE}), label="proved better"))
    if is_gain and any(np.isfinite(one.shrunk) for one in shown):
        handles.append(Line2D([], [], marker="D", ms=4.5, lw=0, color=ORANGE, label="to expect"))
    if any(not one.may_be_best for one in shown):
        hollow: Any = {"marker": "o", "lw": 0, "mfc": "white", "mec": _OUT}
        handles.append(Line2D([], [], **hollow, label="certainly not best"))
    handles.append(Patch(fc=_BAND, label="best guess"))
    place: Any = {"loc": "outside lower center"}
    figure.legend(handles=handles, ncols=3, fontsize=8, frameon=False, **place)
