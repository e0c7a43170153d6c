import math
from typing import Any

import pytest

from tlbench.merging.held_out import best_alternative

TIES = {"_target_": "tlbench.merging.ties.Ties", "name": "ties", "density": 0.2, "scale": 1.0}


def test_the_best_values_of_all_combinations_are_taken() -> None:
    tried: list[tuple[float, float]] = []

    def score(config: Any) -> float:
        tried.append((config["density"], config["scale"]))
        return -abs(config["density"] - 0.5) - abs(config["scale"] - 0.3)

    both = TIES | {"density": "held_out", "scale": "held_out"}
    best, told = best_alternative(both, score, "ties(rte+mnli) s0")
    assert best == TIES | {"density": 0.5, "scale": 0.3}
    assert len(tried) == len(set(tried)) == 40
    assert told["chosen"] == {"density": 0.5, "scale": 0.3}
    assert told["scores"][0] == {"density": 0.1, "scale": 0.1, "score": pytest.approx(-0.6)}


def test_an_option_with_a_value_keeps_it() -> None:
    best, told = best_alternative(TIES | {"scale": "held_out"}, lambda c: c["scale"], "")
    assert best == TIES
    assert (told["chosen"], len(told["scores"])) == ({"scale": 1.0}, 10)


@pytest.mark.parametrize(
    ("scores", "chosen"), [([0.5, 0.5, 0.4], 0.1), ([math.nan, 0.2, math.nan], 0.2)]
)
def test_of_equal_scores_the_first_and_none_that_is_undefined(
    scores: list[float], chosen: float
) -> None:
    values = iter([*scores, *[math.nan] * 7])
    best, _ = best_alternative(TIES | {"scale": "held_out"}, lambda _: next(values), "")
    assert best["scale"] == chosen
