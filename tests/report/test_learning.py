import re

import numpy as np

from tlbench.analysis.confusion import errors_of
from tlbench.analysis.curves import Curve
from tlbench.records.predictions import Saved
from tlbench.report.learning import curve_figure, errors_figure
from tlbench.report.style import svg


def runs(labels: list[float], predictions: list[float]) -> list[Saved]:
    return [Saved(np.arange(len(labels)), np.array(labels), np.array(predictions))]


def titles(drawn: str) -> list[str]:
    return re.findall("<title>([^<]+)</title>", drawn)


def test_a_curve_is_every_seed_thin_their_mean_thick_and_a_dot_at_what_was_chosen() -> None:
    steps = np.array([1.0, 2.0, 3.0])
    of_seeds = [
        Curve(0, steps, np.array([0.1, 0.4, 0.3]), 2),
        Curve(1, steps[:2], np.array([0.3, 0.6]), 2),
    ]
    figure = curve_figure({"MTL": of_seeds, "single": of_seeds[:1]})
    (axes,) = figure.axes
    (mean,) = [line for line in axes.get_lines() if line.get_label() == "MTL"]
    assert np.allclose(mean.get_ydata(), [20, 50])  # at the steps that both have
    assert titles(svg(figure)) == [
        "MTL, seed 0: 40.0 at step 2",
        "MTL, seed 1: 60.0 at step 2",
        "single, seed 0: 40.0 at step 2",
    ]


def test_every_cell_of_a_confusion_tells_its_share() -> None:
    errors = errors_of(runs([0, 0, 0, 0, 1], [0, 0, 0, 1, 1]), ["no", "yes"])
    drawn = svg(errors_figure({"MTL": errors}))
    assert titles(drawn) == [
        "MTL: 75% of the 4 rows of no predicted as no",
        "MTL: 25% of the 4 rows of no predicted as yes",
        "MTL: 0% of the 1 rows of yes predicted as no",
        "MTL: 100% of the 1 rows of yes predicted as yes",
    ]


def test_two_matrices_of_many_classes_stand_below_each_other() -> None:
    labels = [float(n) for n in range(12)]
    errors = errors_of(runs(labels, labels), [f"class {n}" for n in range(12)])
    first, second = errors_figure({"MTL": errors, "single": errors}).axes
    assert first.get_subplotspec().rowspan.start < second.get_subplotspec().rowspan.start


def test_numbers_are_a_line_of_means_beside_the_diagonal() -> None:
    labels = [float(n) for n in range(20)]
    errors = errors_of(runs(labels, [label + 1 for label in labels]), None)
    told = titles(svg(errors_figure({"MTL": errors})))
    assert len(told) == 10
    assert told[0] == "MTL: where it predicts 1.50 on average, the true mean is 0.50"
