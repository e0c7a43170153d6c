"""What is known of tasks once they were trained alone."""

import pandas as pd
import pytest

from tlbench.errors import UserError
from tlbench.predictors.alone import trained_alone


def run(target: str, score: float, seed: int = 0, **more: object) -> dict[str, object]:
    planted = {
        "strategy": "single",
        "method": "-",
        "target": target,
        "support": "-",
        "target_rows": 100,
        "support_rows": 0,
        "seed": seed,
        "score": score,
        "majority_score": 0.5,
        "outcome": "scored",
        "curve": "",
        "label_entropy": float("nan"),
    }
    return planted | more


def alone(*runs: dict[str, object]) -> pd.DataFrame:
    return trained_alone(pd.DataFrame([*runs, run("other", 0.5)]))


def test_a_task_has_the_means_of_its_seeds_over_what_is_above_the_majority() -> None:
    runs = [
        run("a", 0.7, curve="1:0.6 2:0.65 3:0.7*", label_entropy=0.8),
        run("a", 0.8, seed=1, curve="1:0.7 2:0.75 3:0.85*", label_entropy=0.9),
    ]
    task = alone(*runs).loc["a"]
    assert (task.rows, task.majority) == (100, 0.5)
    assert task.headroom == pytest.approx(0.5)
    assert task.early == pytest.approx((0.1 + 0.2) / 2 / 0.5)
    assert task.late == pytest.approx((0.05 + 0.1) / 2 / 0.5)
    assert task.entropy == pytest.approx(0.85)


@pytest.mark.parametrize(
    ("curve", "early", "late"),
    [
        ("", None, None),
        ("10:0.7*", None, None),  # one evaluation has no shape
        ("10:0.6 20:0.7", 0.2, 0.2),
        ("10:0.6 20:0.6 30:0.6 40:0.6 50:0.65 60:0.7", 0.2, 0.21),  # the line through the last four
        ("10:nan 20:0.6 30:0.7", 0.2, 0.2),
        ("10:0.4 100:0.5", -0.2, 0.2),  # the last two at least
    ],
)
def test_a_curve_is_where_it_began_and_what_its_second_half_added(
    curve: str, early: float | None, late: float | None
) -> None:
    task = alone(run("a", 0.7, curve=curve)).loc["a"]
    nan = float("nan")
    expected = [nan if one is None else one for one in (early, late)]
    assert [task.early, task.late] == pytest.approx(expected, nan_ok=True)


def test_a_run_that_is_there_twice_has_the_curve_of_the_one_that_says_it() -> None:
    old, new = run("a", 0.7), run("a", 0.7, curve="10:0.6 20:0.7", label_entropy=1.0)
    first, last = alone(old, new).loc["a"], alone(new, old).loc["a"]
    assert first.early == last.early == pytest.approx(0.2)
    assert first.entropy == last.entropy == 1


def test_a_run_that_is_there_twice_counts_once() -> None:
    again = [run("a", 0.7, curve="10:0.9 20:0.9"), run("a", 0.7, curve="10:0.6 20:0.7")]
    task = alone(*again, run("a", 0.7, seed=1, curve="10:0.7 20:0.7")).loc["a"]
    assert task.early == pytest.approx((0.1 + 0.2) / 2 / 0.5)


def test_curves_of_failed_runs_and_of_other_strategies_do_not_count() -> None:
    curve = {"curve": "10:0.6 20:0.7"}
    runs = [run("a", 0.7), run("a", 0.7, strategy="mtl", support="b", **curve)]
    task = alone(*runs, run("a", 0.0, seed=1, outcome="diverged", **curve)).loc["a"]
    assert task.early != task.early  # NaN


def test_one_task_alone_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^Give a study in which two tasks"):
        trained_alone(pd.DataFrame([run("a", 0.7)]))
