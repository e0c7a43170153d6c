import re

import numpy as np
import pytest

from tests.support.verdicts import advice, candidate
from tlbench.report.strip import MOST, in_order, in_words, strip
from tlbench.report.style import svg

SINGLE = candidate("single", score=0.65)
BETTER = candidate(
    gain=0.05, low=0.01, high=0.09, shrunk=0.03, proved="better", has_rows=True, probability=0.8
)
OUT = candidate("mtl", gain=-0.2, low=-0.3, high=-0.1, shrunk=-0.15, may_be_best=False)
LOST = candidate("mtl", "qnli", seeds=0, score=np.nan)


def texts(drawn: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", drawn)


def test_every_candidate_is_drawn_with_probability_and_cost_the_highest_expected_first() -> None:
    one = advice(SINGLE, OUT, LOST, BETTER, best=3)
    assert in_order(one) == [BETTER, SINGLE, OUT, LOST]
    shown = texts(svg(strip(one)))
    names = [name for name in shown if name in map(one.name, one.verdict.candidates)]
    assert names == ["STILTs with mnli", "single", "MTL with mnli", "MTL with qnli"]
    assert {"80% · 12.9k", "not best · 12.9k", "no score"} <= set(shown)
    assert "gain over single (65.0), in points" in shown
    assert {"certainly not best", "proved better", "best guess"} <= set(shown)


def test_a_row_tells_its_numbers() -> None:
    one = advice(SINGLE, OUT, LOST, BETTER, best=3)
    assert in_words(BETTER, one) == (
        "STILTs with mnli: 70.0 points, gain +5.0, 90% interval +1.0 to +9.0 over seeds and rows, "
        "to expect +3.0, the best with 80%, 5 seeds, 12,900 passes"
    )
    assert "certainly not the best" in in_words(OUT, one)
    assert in_words(LOST, one) == "MTL with qnli: no score"
    titles = re.findall("<title>([^<]+)</title>", svg(strip(one)))
    assert titles == [in_words(candidate, one) for candidate in in_order(one)]


def test_an_interval_of_two_seeds_does_not_squeeze_the_others() -> None:
    wide = candidate("mtl", gain=0.0, low=-5.0, high=5.0)
    others = [candidate(support=name, gain=0.0, low=-0.1, high=0.1) for name in "abc"]
    (axes,) = strip(advice(SINGLE, wide, *others)).axes
    low, high = axes.get_xlim()
    assert -40 < low < -25
    assert 25 < high < 40


def test_without_single_the_axis_is_the_score() -> None:
    shown = texts(svg(strip(advice(candidate(), candidate("mtl", score=0.6)))))
    assert "score, in points" in shown
    assert not [text for text in shown if "gain" in text]


def test_a_probability_of_almost_0_is_no_0() -> None:
    one = advice(SINGLE, candidate(gain=-0.1, probability=0.001))
    assert "&lt;1% · 12.9k" in texts(svg(strip(one)))


@pytest.mark.parametrize("count", [MOST, MOST + 1])
def test_very_many_candidates_are_not_all_drawn(count: int) -> None:
    many = [candidate(support=f"task_{n}", gain=n / 1000) for n in range(count)]
    drawn = svg(strip(advice(SINGLE, *many)))
    assert drawn.count("<title>") == MOST
    assert f"task_{count - 1}" in drawn
