import numpy as np
import pandas as pd
import pytest

from tlbench.predictors.earlier import earlier
from tlbench.predictors.regret import RANDOM, regrets

GAINS = {"good": 0.1, "fair": 0.04, "bad": -0.1}


def study(target: str = "t", noise: float = 0.0, **gains: float) -> pd.DataFrame:
    random = np.random.default_rng(len(target))
    rows = [
        {
            "target": target,
            "target_rows": 100,
            "strategy": strategy,
            "method": "-",
            "support": support,
            "support_rows": 50 if support != "-" else 0,
            "seed": seed,
            "score": 0.7 + gain + noise * random.normal(),
            "outcome": "scored",
        }
        for support, gain in {"-": 0.0, **(gains or GAINS)}.items()
        for strategy in (("single",) if support == "-" else ("stilts", "mtl"))
        for seed in range(4)
    ]
    return pd.DataFrame(rows)


def found(table: pd.DataFrame, **predicted: dict[str, float]) -> dict[tuple[str, int], float]:
    by_target = {name: {"t": numbers, "other": numbers} for name, numbers in predicted.items()}
    return {(one.predictor, one.kept): one.mean for one in regrets(table, by_target)}


def test_one_that_is_right_costs_nothing_and_one_that_is_wrong_what_is_missed() -> None:
    right = {"good": 3.0, "fair": 2.0, "bad": 1.0}
    wrong = {name: -number for name, number in right.items()}
    costs = found(study(), right=right, wrong=wrong)
    assert costs["right", 1] == pytest.approx(0)
    assert costs["wrong", 1] == pytest.approx(0.1), "single is always tried: nothing is lost below"
    assert costs["wrong", 2] == pytest.approx(0.06)
    assert costs[RANDOM, 1] == pytest.approx((0 + 0.06 + 0.1) / 3)


def test_with_all_supports_alike_no_choice_costs_anything_on_average() -> None:
    even = pd.concat([study("t", 0.02, a=0, b=0, c=0), study("other", 0.02, a=0, b=0, c=0)])
    costs = found(even, any={"a": 1.0, "b": 0.0, "c": 0.0})
    assert abs(costs["any", 1]) < 0.02


def test_the_interval_is_over_targets_and_of_one_over_its_seeds() -> None:
    both = pd.concat([study("t"), study("other", good=0.02, fair=0.1, bad=-0.1)])
    numbers = {"good": 3.0, "fair": 2.0, "bad": 1.0}
    one, *_ = regrets(both, {"size": {"t": numbers, "other": numbers}})
    assert (one.targets, one.mean) == (2, pytest.approx(0.04))
    assert one.low < 0 < one.high
    wrong = {"t": {name: -number for name, number in numbers.items()}}
    (alone, *_) = regrets(study(noise=0.01), {"wrong": wrong})
    assert alone.targets == 1
    assert 0 < alone.low < alone.mean < alone.high


def test_a_target_that_is_not_predicted_is_not_judged() -> None:
    assert {name for name, _ in found(study(), partial={"good": 1.0})} == {RANDOM}


def test_earlier_studies_speak_of_other_targets_alone() -> None:
    both = pd.concat([study("t"), study("other", good=0.02, fair=0.1, bad=-0.1)])
    assert earlier(both, "t") == pytest.approx({"good": 0.02, "fair": 0.1, "bad": -0.1})
    assert earlier(both, "new") == pytest.approx({"good": 0.06, "fair": 0.07, "bad": -0.1})
    assert earlier(study("t"), "t") == {}
