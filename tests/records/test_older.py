import math

import pytest

from tests.records.test_record import record
from tlbench.records.older import by_present_rules

MATTHEWS = {"score": ["matthews"], "labels": ["no", "yes"]}
STSB = {"score": ["pearson", "spearman"], "labels": None}
BOTH = {"score": ["accuracy", "matthews"], "labels": ["no", "yes"]}
NOTHING = {"pearson": None, "spearman": None}


@pytest.mark.parametrize(
    ("definition", "metrics", "score", "majority"),
    [
        (MATTHEWS, {"matthews": None, "accuracy": 0.69}, 0, 0),
        (MATTHEWS, {"matthews": None}, 0, 0),
        (STSB, {**NOTHING, "mse": 2.0}, 0, 0),
        (BOTH, {"matthews": None, "accuracy": 0.7}, 0.35, None),
        ({"score": ["accuracy"]}, {"matthews": None, "accuracy": 0.7}, 0.7, None),
    ],
)
def test_an_undefined_correlation_is_a_collapse_that_scores_0(
    definition: dict[str, object],
    metrics: dict[str, float | None],
    score: float,
    majority: float | None,
) -> None:
    known = score if definition["score"] == ["accuracy"] else None
    lacking = [name for name, value in metrics.items() if value is None]
    old = record(score=known, metrics=metrics, undefined=lacking, tasks={"rte": definition})
    found = by_present_rules(old)
    assert (found.collapsed, found.outcome, found.score) == (True, "scored", pytest.approx(score))
    assert found.majority_score == majority
    assert (found.undefined, set(lacking) - {n for n, v in found.metrics.items() if v == 0}) == (
        [],
        set(),
    )
    assert old.score == known  # as it was


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"matthews": None, "accuracy": 1.0}},
        {"metrics": {"matthews": None, "accuracy": 0.0}},  # of two classes: all labels the other
        {"metrics": {"matthews": None, "accuracy": 0.4}, "dev_rows": 1},
        {"metrics": {"matthews": None, "accuracy": 0.4}, "majority_score": 1.0},
        {"metrics": {**NOTHING, "mse": 0.0}, "tasks": {"rte": STSB}},
    ],
)
def test_labels_that_are_all_the_same_define_no_correlation(changes: dict[str, object]) -> None:
    old = record(**{"score": None, "tasks": {"rte": MATTHEWS}, **changes})
    assert by_present_rules(old) == old
    assert old.outcome == "undefined"


def test_a_correlation_that_is_defined_says_that_nothing_has_collapsed() -> None:
    tasks = {"rte": MATTHEWS}
    found = by_present_rules(record(score=0.1, metrics={"matthews": 0.1}, tasks=tasks))
    assert (found.collapsed, found.score, found.majority_score) == (False, 0.1, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"accuracy": 0.7}},  # it may have said one class: nobody knows
        {"metrics": {"f1": None}, "score": None, "undefined": ["f1"]},
        {"metrics": {"matthews": None}, "score": None, "status": "diverged"},
        {"metrics": {"matthews": None}, "score": None, "collapsed": False},  # not an older one
    ],
)
def test_what_an_older_record_does_not_say_stays_unknown(changes: dict[str, object]) -> None:
    old = record(**changes)
    assert by_present_rules(old) == old


def test_without_a_definition_there_is_no_score() -> None:
    found = by_present_rules(record(score=math.nan, metrics={"matthews": None}))
    assert found.outcome == "undefined"
