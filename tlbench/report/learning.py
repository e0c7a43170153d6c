"""Draws how two candidates learned and where they err: curves, confusion matrices, calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tlbench.analysis.confusion import ByClass, Calibration, Confusion
from tlbench.analysis.curves import Curve
from tlbench.report import hover
from tlbench.report.style import BLUE, ORANGE, STYLE

MOST_CLASSES = 25  # of a matrix that can still be read
_NUMBERS, _BESIDE = 10, 4  # classes: with numbers in the cells; so few that two stand side by side
_WIDTH = 4.0  # inches
_DOTS = 400  # rows drawn of a regression
_CANDIDATES: Any = ({"color": BLUE, "linestyle": "-"}, {"color": ORANGE, "linestyle": "--"})


def curve_figure(curves: Mapping[str, Sequence[Curve]]) -> Figure:
    """Draw the dev score by step: every seed thin, the mean thick, what was chosen as a dot.

    Args:
        curves: by candidate, of its seeds.
    """
    with mpl.rc_context(STYLE | {"font.size": 8.5}):
        figure = Figure(figsize=(_WIDTH, 2.6))
        axes = figure.add_subplot()
        for style, (name, of_seeds) in zip(_CANDIDATES, curves.items(), strict=False):
            for curve in of_seeds:
                axes.plot(curve.steps, 100 * curve.scores, lw=0.7, alpha=0.5, **style)
                at = curve.steps == curve.chosen
                axes.plot(curve.steps[at], 100 * curve.scores[at], "o", ms=4, color=style["color"])
                if at.any():
                    score = 100 * float(curve.scores[at][0])
                    text = f"{name}, seed {curve.seed}: {score:.1f} at step {curve.chosen}"
                    hover.say_at(axes, curve.chosen, score, text)
            steps, mean = _mean(of_seeds)
            axes.plot(steps, 100 * mean, lw=2, label=name, **style)
        axes.set_xlabel("steps of the last stage")
        axes.set_ylabel("dev score (points)")
        place: Any = {"loc": "outside lower center"}
        handles, names = axes.get_legend_handles_labels()
        figure.legend(handles, names, ncols=2, fontsize=7.5, frameon=False, **place)
    return figure


def _mean(of_seeds: Sequence[Curve]) -> tuple[Any, Any]:
    """Return the mean over seeds at the steps at which all of them were evaluated."""
    common = set(of_seeds[0].steps).intersection(*(curve.steps for curve in of_seeds))
    steps = np.array(sorted(common))
    scores = [curve.scores[np.isin(curve.steps, steps)] for curve in of_seeds]
    return steps, np.mean(scores, axis=0)


def errors_figure(errors: Mapping[str, ByClass | Calibration]) -> Figure:
    """Draw where candidates err, a panel each.

    Args:
        errors: by candidate, all of one kind; matrices of ``MOST_CLASSES`` classes at most.
    """
    first = next(iter(errors.values()))
    classes = len(first.classes) if isinstance(first, Confusion) else 0
    is_beside = classes <= _BESIDE
    rows, columns = (1, len(errors)) if is_beside else (len(errors), 1)
    with mpl.rc_context(STYLE | {"font.size": 8}):
        each = 2.4 if is_beside else 1.2 + min(3.2, 0.35 * classes)
        figure = Figure(figsize=(_WIDTH, each * rows))
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (name, of_runs) in zip(panels, errors.items(), strict=True):
            axes.set_title(name, loc="left")
            if isinstance(of_runs, Confusion):
                _matrix(axes, of_runs, name)
            elif isinstance(of_runs, Calibration):
                _numbers(axes, of_runs, name)
        for axes in panels[1:] if is_beside else ():
            axes.set_ylabel("")
            if classes:
                axes.set_yticks([])
    return figure


def _matrix(axes: Axes, errors: Confusion, name: str) -> None:
    classes = errors.classes
    colours = mpl.colormaps["Blues"]
    for true, of_class in enumerate(classes):
        for said, as_class in enumerate(classes):
            share = errors.shares[true, said]
            face = "#eeeeee" if np.isnan(share) else colours(0.85 * share)
            cell = axes.add_patch(Rectangle((said, true), 1, 1, fc=face, ec="white", lw=1))
            words = "no row" if np.isnan(share) else f"{100 * share:.0f}%"
            rows = f"{errors.rows[true]:,.0f} rows of {of_class}"
            hover.say(cell, f"{name}: {words} of the {rows} predicted as {as_class}")
            if len(classes) <= _NUMBERS and not np.isnan(share):
                ink = "white" if share > 0.6 else "black"
                place: Any = {"ha": "center", "va": "center", "fontsize": 8, "color": ink}
                axes.text(said + 0.5, true + 0.5, f"{100 * share:.0f}", **place)
    axes.set_xlim(0, len(classes))
    axes.set_ylim(len(classes), 0)
    short = [one if len(one) <= 16 else f"{one[:15]}…" for one in classes]
    slanted: Any = {"rotation": 35, "ha": "right", "rotation_mode": "anchor", "fontsize": 7}
    axes.set_xticks(np.arange(len(classes)) + 0.5, short, **slanted)
    axes.set_yticks(np.arange(len(classes)) + 0.5, short, fontsize=7)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true class")
    for spine in axes.spines.values():
        spine.set_visible(False)


def _numbers(axes: Axes, errors: Calibration, name: str) -> None:
    every = len(errors.labels)
    drawn = np.random.default_rng(0).permutation(every)[:_DOTS]
    axes.scatter(
        errors.predictions[drawn], errors.labels[drawn], s=5, color="#777777", alpha=0.35, lw=0
    )
    low = min(errors.labels.min(), errors.predictions.min())
    high = max(errors.labels.max(), errors.predictions.max())
    axes.plot([low, high], [low, high], color="black", lw=0.8, linestyle=":")
    axes.plot(errors.bin_predictions, errors.bin_labels, "-", color=BLUE, lw=1.4)
    for predicted, label in zip(errors.bin_predictions, errors.bin_labels, strict=True):
        axes.plot(predicted, label, "o", ms=5, color=BLUE)
        text = f"{name}: where it predicts {predicted:.2f} on average, the true mean is {label:.2f}"
        hover.say_at(axes, predicted, label, text)
    axes.set_xlabel("predicted (mean over seeds)")
    axes.set_ylabel("true")
