import math

import pytest

from tests.records.test_record import record
from tlbench.records.older import by_present_rules, with_later_keys

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
    score_then = score if definition["score"] == ["accuracy"] else None
    undefined = [name for name, value in metrics.items() if value is None]
    old = record(score=score_then, metrics=metrics, undefined=undefined, tasks={"rte": definition})
    today = by_present_rules(old)
    assert (today.collapsed, today.outcome, today.score) == (True, "scored", pytest.approx(score))
    assert today.majority_score == majority
    assert (today.undefined, set(undefined) - {n for n, v in today.metrics.items() if v == 0}) == (
        [],
        set(),
    )
    assert old.score == score_then  # as it was


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
    today = by_present_rules(record(score=0.1, metrics={"matthews": 0.1}, tasks=tasks))
    assert (today.collapsed, today.score, today.majority_score) == (False, 0.1, 0)


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
    today = by_present_rules(record(score=math.nan, metrics={"matthews": None}))
    assert today.outcome == "undefined"


@pytest.mark.parametrize(
    ("strategy", "label", "ignored"),
    [
        ("single", "single", ["sampling", "method", "heads", "subsample_size.support"]),
        ("stilts", "STILTs", ["sampling", "method"]),
        ("mtl", "MTL", []),
        ("mtl_all", "MTL-ALL", []),
        ("mine", "mine", []),
    ],
)
def test_an_older_strategy_gets_its_label_and_what_has_no_effect_on_it(
    strategy: str, label: str, ignored: list[str]
) -> None:
    config = {"strategy": {"name": strategy, "supports": "one", "plan": "tlbench.strategies.mtl"}}
    old = record(strategy=strategy, config=config)
    assert with_later_keys(old).config["strategy"] == {
        "name": strategy,
        "supports": "one",
        "plan": "tlbench.plan.strategies.mtl",
        "label": label,
        "without_effect": ignored,
    }
    assert old.config == {
        "strategy": {"name": strategy, "supports": "one", "plan": "tlbench.strategies.mtl"}
    }


def test_the_word_loss_is_a_method() -> None:
    old = record(config={"heads": "per_task", "loss": "mean", "seed": 1})
    later = with_later_keys(old).config
    target = "tlbench.methods.mean.Mean"
    assert later["method"] == {"name": "mean", "label": "mean", "_target_": target}
    assert "loss" not in later
    assert old.config["loss"] == "mean"


def test_a_logger_gets_its_name() -> None:
    flat = {"_target_": "tlbench.loggers.WandbLog", "project": "ours", "entity": None}
    assert with_later_keys(record(config={"logger": flat})).config["logger"] == {"wandb": flat}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {
            "strategy": {
                "name": "stilts",
                "label": "Mine",
                "without_effect": [],
                "plan": "tlbench.strategies_of_mine.f",
            },
            "method": {"name": "sum", "label": "the sum", "option": 1},
            "logger": {"wandb": {"project": "ours"}, "csv": {}},
            "sampling": {"name": "size", "last_batch": "drop"},
            "optim": {"lr_heads": 1e-2, "l2_sp": 0.1},
            "trainable": "heads",
        },
        {
            "strategy": {"name": "mtl", "label": "MTL", "without_effect": []},
            "logger": None,
            "trainable": "all",
        },
    ],
)
def test_what_a_record_says_itself_stays(config: dict[str, object]) -> None:
    one = record(strategy="stilts", config=config)
    assert with_later_keys(one) == one


def test_before_heads_could_be_trained_alone_all_weights_were() -> None:
    later = with_later_keys(record(config={"optim": {"lr": 2e-5}}))
    assert later.config["trainable"] == "all"
    assert later.config["optim"] == {"lr": 2e-5, "lr_heads": 1e-3, "l2_sp": None}


def test_bringing_a_record_up_to_date_twice_changes_nothing_more() -> None:
    old = record(config={"loss": "sum", "strategy": {"name": "single"}, "sampling": {}})
    later = with_later_keys(old)
    assert with_later_keys(later) == later
