"""Keys of a task that came with metrics of probabilities and losses change nothing where unused.

The digests are of the version before there were any: 9f9b8f5 gives these.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.support.experiments import Compose, Run, write_users_task
from tlbench.config import identity
from tlbench.config.identity import unresolved
from tlbench.config.keys import recorded
from tlbench.config.schema import Loss, Source, Task
from tlbench.plan.build import build
from tlbench.plan.train_stage import TrainStage

BEFORE = {
    "cola": "a5bc2104c3ebe5ce",
    "mnli": "520a861069c0d5fa",
    "mrpc": "41d628445f64b039",
    "qnli": "93de12f108090384",
    "qqp": "745461068b9619c7",
    "rte": "0be56e539284ccef",
    "sst2": "a87c9e6e2b1394b4",
    "stsb": "7068845aa30e0b87",
    "wnli": "4bc0e188fc637d5f",
    "mine": "86873e5a0decce31",
}
DEFINITION = {"name", "labels", "score", "metrics", "source"}
UNSET: dict[str, Any] = {
    "positive": None,
    "more_metrics": {},
    "loss": {"class_weights": None, "label_smoothing": None, "focal": None},
}


@pytest.mark.parametrize("task", BEFORE)
def test_a_task_without_them_is_in_stage_keys_as_before(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["subsample_size.target=16", "subsample_size.dev=10"]
    if task == "mine":
        write_users_task(tmp_path, "macro_f1")
        cfg = compose(*overrides)
        cfg.target_task = OmegaConf.load(tmp_path / "my_conf" / "target_task" / "mine.yaml")
    else:
        cfg = compose(*overrides, f"target_task={task}")
    (stage,) = build(cfg).plan()
    assert isinstance(stage, TrainStage)
    (subset,) = stage.subsets
    text = json.dumps(subset.fingerprint(False), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == BEFORE[task]


def test_a_task_with_them_unset_has_the_folder_and_the_key_of_one_without(
    compose: Compose,
) -> None:
    without, unset = compose(), compose()
    OmegaConf.update(unset, "target_task", UNSET, force_add=True)
    assert unset.target_task.positive is None
    asked = identity.identity_of(unresolved(unset))
    assert set(asked["target_task"]) == DEFINITION
    assert asked == identity.identity_of(unresolved(without))
    assert identity.job_folder_name(unresolved(unset)) == identity.job_folder_name(
        unresolved(without)
    )
    assert [s.key for s in build(unset).plan()] == [s.key for s in build(without).plan()]


def test_records_have_them_only_where_they_are_set(run: Run) -> None:
    record = run("target_task=rte")
    assert set(record.tasks["rte"]) == {*DEFINITION, "kind"}
    assert set(record.config["target_task"]) == {*DEFINITION, "kind"}


def test_what_is_recorded_of_a_set_one() -> None:
    task = Task("t", ["a", "b"], ["f1"], ["f1"], Source("generated"), positive="a")
    task.loss = Loss(focal=2.0)
    written = recorded(task)
    assert set(written) == {*DEFINITION, "kind", "positive", "loss"}
    assert written["loss"] == {"focal": 2.0}
    assert written["source"]["more_dev"] == {}
