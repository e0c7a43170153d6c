"""What records keep of how stages learned."""

import json
import math
from pathlib import Path

import pytest

from tests.support.experiments import Run
from tlbench.analysis.collect import table_of
from tlbench.analysis.learned import from_words
from tlbench.records.curve import dev_curve


def evaluation(step: int, **scores: float | None) -> dict[str, object]:
    tasks = {task: {"dev": {"score": score, "f1": 0.1}} for task, score in scores.items()}
    return {"step": step, "tasks": tasks}


def test_every_task_has_its_dev_scores_in_five_digits_and_the_chosen_step() -> None:
    history = [evaluation(10, rte=0.531000018, mnli=0.4), evaluation(20, rte=0.5, mnli=0.45)]
    tasks = {"rte": {"step": 10}, "mnli": {"step": 20}}
    assert dev_curve({"history": history, "tasks": tasks}) == {
        "steps": [10, 20],
        "scores": {"rte": [0.531, 0.5], "mnli": [0.4, 0.45]},
        "chosen": {"rte": 10, "mnli": 20},
    }


def test_what_is_not_defined_has_its_place_and_other_splits_have_none() -> None:
    history = [evaluation(10, rte=math.nan), evaluation(20, rte=None), evaluation(30, rte=0.5)]
    history.append({"step": 40, "tasks": {"rte": {"held_out": {"score": 0.9}}}})
    found = dev_curve({"history": history, "tasks": {"rte": {"step": 30}}})
    assert found is not None
    assert found["scores"] == {"rte": [None, None, 0.5, None]}


@pytest.mark.parametrize("history", [[], [evaluation(10)], [evaluation(10, rte=None)]])
def test_a_stage_without_dev_scores_as_a_merge_has_no_curve(history: list[object]) -> None:
    assert dev_curve({"history": history, "tasks": {"rte": {"step": 0}}}) is None


def test_the_record_of_a_run_has_the_curves_of_all_its_stages(run: Run, tmp_path: Path) -> None:
    found = run("strategy=stilts", "support_task=mnli", "eval_every=0.25", "trainer.max_steps=8")
    titles = [stage["title"] for stage in found.stages]
    assert titles == ["mnli", "rte<-mnli"]
    for stage, task in zip(found.stages, ("mnli", "rte"), strict=True):
        manifest = json.loads((tmp_path / "store" / stage["key"] / "stage.json").read_text())
        scores = [one["tasks"][task]["dev"]["score"] for one in manifest["history"]]
        assert len(scores) > 1
        assert stage["curve"]["steps"] == [one["step"] for one in manifest["history"]]
        assert stage["curve"]["scores"] == {task: pytest.approx(scores, abs=1e-5)}
    (row,) = table_of([found]).itertuples()
    steps, of_target, chosen = from_words(row.curve)
    assert of_target[steps == chosen] == pytest.approx([found.score], abs=1e-5)
    assert 0 < row.label_entropy <= 1
