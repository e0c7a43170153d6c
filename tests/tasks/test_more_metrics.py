import math
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from sklearn.metrics import average_precision_score, cohen_kappa_score, mean_absolute_error
from torch import Tensor

from tlbench.config.schema import Source, Task
from tlbench.errors import UserError
from tlbench.tasks.definition import check_task
from tlbench.tasks.scores import evaluate

MODULE = "torchmetrics.classification"
KAPPA = {"_target_": f"{MODULE}.MulticlassCohenKappa", "num_classes": 3}


def task(
    more: dict[str, Any], labels: int | None = 3, score: str = "accuracy", positive: str = ""
) -> Task:
    names = None if labels is None else [f"c{i}" for i in range(labels)]
    metrics = [*({"accuracy"} if labels else {"pearson"}), *more]
    score = score if labels else "pearson"
    source = Source("generated")
    return Task("t", names, [score], metrics, source, None, positive or None, more)


class Margin(torchmetrics.Metric):
    """A metric of a user's, which says that more is better."""

    higher_is_better = True

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0))
        self.add_state("rows", torch.tensor(0))

    def update(self, said: Tensor, labels: Tensor) -> None:
        self.total += said.gather(1, labels[:, None]).sum()
        self.rows += len(labels)

    def compute(self) -> Tensor:
        return self.total / self.rows


def test_a_class_of_torchmetrics_gets_probabilities_of_all_classes() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(60, 3)), rng.integers(3, size=60)
    wanted = task({"kappa": KAPPA}, score="kappa")
    check_task(wanted)
    found = evaluate(wanted, torch.tensor(logits), torch.tensor(labels).float())
    expected = cohen_kappa_score(labels, logits.argmax(axis=1))
    assert found["kappa"] == found["score"] == pytest.approx(expected, abs=1e-6)
    again = evaluate(wanted, torch.tensor(logits[:20]), torch.tensor(labels[:20]).float())
    expected = cohen_kappa_score(labels[:20], logits[:20].argmax(axis=1))
    assert again["kappa"] == pytest.approx(expected, abs=1e-6)  # of these rows alone


@pytest.mark.parametrize(("positive", "at"), [("", 1), ("c0", 0)])
def test_one_for_two_classes_gets_the_probability_of_the_positive_one(
    positive: str, at: int
) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(60, 2)), rng.integers(2, size=60)
    more = {"own": {"_target_": f"{MODULE}.BinaryAveragePrecision"}}
    wanted = task(more, 2, positive=positive)
    check_task(wanted)
    found = evaluate(wanted, torch.tensor(logits), torch.tensor(labels).float())
    expected = average_precision_score(labels == at, logits[:, at] - logits[:, 1 - at])
    assert found["own"] == pytest.approx(expected, abs=1e-6)


def test_one_for_numbers_gets_predictions() -> None:
    wanted = task({"mae": {"_target_": "torchmetrics.MeanAbsoluteError"}}, None)
    check_task(wanted)
    found = evaluate(wanted, torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([1.0, 3.0, 6.0]))
    assert found["mae"] == pytest.approx(mean_absolute_error([1, 3, 6], [1, 2, 4]))


def test_one_of_a_users_own_can_be_a_score() -> None:
    wanted = task({"margin": {"_target_": f"{__name__}.Margin"}}, score="margin")
    check_task(wanted)
    found = evaluate(wanted, torch.zeros(4, 3), torch.tensor([0.0, 1.0, 2.0, 0.0]))
    assert found["score"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"kappa": "kappa"}, r"more_metrics.kappa of task 't': give it a _target_"),
        ({"kappa": {"num_classes": 3}}, r"more_metrics.kappa of task 't': give it a _target_"),
        ({"kappa": {"_target_": "no.such.Metric"}}, "kappa of task 't', its _target_: 'no.such"),
        ({"kappa": {"_target_": "torch.Tensor"}}, "'torch.Tensor' is not a torchmetrics.metric"),
        ({"kappa": {"_target_": KAPPA["_target_"]}}, "can't be made .*num_classes"),
        ({"kappa": {**KAPPA, "num_classes": 2}}, "gives no number for rows of 3 outputs .*"),
        (
            {"matrix": {"_target_": f"{MODULE}.MulticlassConfusionMatrix", "num_classes": 3}},
            "more_metrics.matrix of task 't': it gives no number for rows",
        ),
        ({"accuracy": KAPPA}, "more_metrics.accuracy of task 't': 'accuracy' is there already"),
        ({"pearson": KAPPA}, "'pearson' is there already"),  # of another kind
        ({"score": KAPPA}, "'score' is there already"),
        ({"a/b": KAPPA}, "Change more_metrics.a/b of task 't': use up to 64 letters"),
    ],
)
def test_what_is_no_metric_of_the_task_is_named(more: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_task(task(more))


@pytest.mark.parametrize("name", ["MulticlassHingeLoss", "MulticlassCalibrationError"])
def test_an_error_can_not_be_a_score(name: str) -> None:
    more = {"own": {"_target_": f"{MODULE}.{name}", "num_classes": 3}}
    check_task(task(more))
    with pytest.raises(UserError, match=r"Change score of task 't': .*'own' .*higher_is_better"):
        check_task(task(more, score="own"))


def test_a_metric_that_is_not_defined_is_no_number() -> None:
    wanted = task({"kappa": KAPPA})
    found = evaluate(wanted, torch.zeros(4, 3), torch.zeros(4))
    assert math.isnan(found["kappa"])


def test_tasks_without_any_need_no_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    check_task(task({}))
