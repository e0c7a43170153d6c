import json
from typing import Any

import pytest

from tests.records.test_record import record
from tlbench.errors import UserError
from tlbench.records.record import ResultRecord, jsonable, parse_record

TASK = {"labels": ["a", "b"], "score": ["accuracy"], "metrics": ["accuracy"]}
STAGE = {"title": "rte", "train_rows": {"rte": 5}, "steps": 1, "instances": 5}
CURVE = {"steps": [1, 2], "scores": {"rte": [0.5, None]}, "chosen": {"rte": 1}}


def curved(**changes: Any) -> dict[str, Any]:
    return {"stages": [{**STAGE, "curve": CURVE | changes}]}


def text(changes: dict[str, Any]) -> str:
    made = vars(record(config={"target_task": TASK}, stages=[STAGE], stage_keys=["5d02"]))
    return json.dumps({**jsonable(made), **changes})


def test_a_usual_record_is_read() -> None:
    assert isinstance(parse_record(text({}), "x"), ResultRecord)
    own = {"target_task": {**TASK, "score": ["r2"], "more_metrics": {"r2": {}}}}
    parse_record(text({"score": -50, "config": own}), "x")  # a metric of one's own may be any
    parse_record(text({"status": "failed", "config": {"target_task": 3}}), "x")
    assert parse_record(text(curved()), "x").stages[0]["curve"] == CURVE
    parse_record(text({"config": own, **curved(scores={"rte": [-50.0, 0.5]})}), "x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": 2**70}, "steps is 1.18e+21"),
        ({"dev_rows": -1}, "dev_rows is -1"),
        ({"seed": -5}, "seed is -5"),
        ({"score": -50}, "score is -50, where a fraction belongs"),
        ({"score": 1e300}, "score is 1e+300, where a fraction belongs"),
        ({"majority_score": 2}, "majority_score is 2, where"),
        ({"metrics": {"accuracy": 7}}, "metrics.accuracy is 7, where"),
        ({"metrics": {"mse": 1e300}}, "metrics has the number 1e+300"),
        ({"scores_by_selection": {"dev": 3}}, "scores_by_selection.dev is 3, where"),
        ({"test": {"score": 3}}, "test.score is 3, where"),
        ({"train_rows": {"rte": 2**70}}, "train_rows has the number"),
        ({"support_tasks": ["mnli", "mnli"]}, "a task is there twice"),
        ({"support_tasks": ["rte"]}, "a task is there twice"),
        ({"config": {"target_task": "rte"}}, "config.target_task"),
        ({"config": {"strategy": {"without_effect": 3}}}, "strategy.without_effect"),
        ({"stages": [{"title": "rte"}]}, "stages.0.train_rows"),
        ({"stages": [STAGE, STAGE, STAGE]}, "keys of stages and 3 stages"),
        (curved(steps=[2, 1]), "the curve of rte is none"),
        (curved(steps=[1]), "the curve of rte is none"),
        (curved(steps=["a", "b"]), "stages.0.curve.steps"),
        (curved(scores={"rte": [0.5, 7.0]}), "the curve of rte is 7, where a fraction belongs"),
        ({"stage_keys": ["a b"]}, "a key of a stage is no word"),
        ({"stage_keys": [""]}, "a key of a stage is no word"),
        ({"leaks": [{}]}, "leaks.0.split"),
        ({"tasks": {"rte": {"score": "f1"}}}, "tasks.rte.score"),
    ],
)
def test_what_no_training_can_have_found_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(
        UserError, match=r"^the file is not a result record \(.*\); remove it"
    ) as it:
        parse_record(text(changes), "the file")
    assert said in str(it.value)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (text({}).replace('"seed": 0', '"seed": 0, "seed": 1'), "it has 'seed' twice"),
        (text({}).replace('"score": 0.5', '"score": NaN'), "NaN is no number of JSON's"),
        (text({}).replace('"score": 0.5', '"score": Infinity'), "Infinity is no number"),
        (
            text({"stages": [{**STAGE, "x": json.loads("[" * 100 + "]" * 100)}]}),
            "nested too deeply",
        ),
        ("[" * 100_000, ""),
    ],
)
def test_json_that_is_none_of_a_record_is_named(broken: str, said: str) -> None:
    with pytest.raises(UserError, match=r"^the file is not a result record") as it:
        parse_record(broken, "the file")
    assert said in str(it.value)
