import re

import numpy as np
import pytest

from tests.support.verdicts import advice, candidate
from tlbench.analysis.advice import Advice
from tlbench.report.gain_lines import MOST, are_lines, gain_lines
from tlbench.report.style import svg

SINGLE = candidate("single")


def at_size(rows: int, *support_rows: int, single: bool = True, supports: int = 1) -> Advice:
    others = [
        candidate(support=f"s{n}", support_rows=size, gain=0.01 * n if single else np.nan)
        for n in range(supports)
        for size in support_rows
    ]
    return advice(*others, *([SINGLE] if single else []), target_rows=rows)


def texts(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", drawn)


@pytest.mark.parametrize(
    ("advices", "expected"),
    [
        ([at_size(100, 1000)], False),
        ([at_size(100, 1000, 2000)], False),
        ([at_size(100, 500, 1000, 2000)], True),
        ([at_size(100, 1000), at_size(200, 1000)], True),
    ],
)
def test_several_sizes_of_the_target_or_many_of_a_support_are_lines(
    advices: list[Advice], expected: bool
) -> None:
    assert are_lines(advices) == expected


def test_sizes_of_the_target_are_one_panel() -> None:
    figure = gain_lines([at_size(100, 1000), at_size(200, 1000)])
    assert len(figure.axes) == 1
    shown = texts(svg(figure))
    assert {"rows of the target (log scale)", "gain over single (points)", "100", "200"} < {*shown}


def test_sizes_of_both_are_a_panel_for_each_of_the_target() -> None:
    figure = gain_lines([at_size(200, 100, 400), at_size(100, 50, 200)])
    assert [axes.get_title("left") for axes in figure.axes] == ["rte: 200 rows", "rte: 100 rows"]
    assert "rows of the support (log scale)" in texts(svg(figure))


def test_without_single_they_are_scores() -> None:
    figure = gain_lines([at_size(100, 1000, single=False), at_size(200, 1000, single=False)])
    assert "score (points)" in texts(svg(figure))


def test_the_best_lines_are_drawn_and_each_point_tells_its_numbers() -> None:
    many = MOST + 2
    drawn = svg(gain_lines([at_size(100, 1000, supports=many), at_size(9, 1000, supports=many)]))
    names = {text for text in texts(drawn) if text.startswith("STILTs with")}
    assert names == {f"STILTs with s{n}" for n in range(2, many)}
    titles = re.findall("<title>([^<]+)</title>", drawn)
    assert len(titles) == 2 * MOST
    assert "rte (9 rows), STILTs with s9: 70.0 points, gain +9.0, 5 seeds" in "".join(titles)
