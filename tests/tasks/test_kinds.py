from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from tlbench.config.schema import Source, Task
from tlbench.errors import UserError
from tlbench.tasks.base import Metric, TaskKind
from tlbench.tasks.class_metrics import CLASS_METRICS
from tlbench.tasks.classification import Classification
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.regression import Regression


def task(labels: list[str] | None, kind: str | None) -> Task:
    metric = "pearson" if labels is None else "accuracy"
    return Task("t", labels, [metric], [metric], Source("generated"), kind)


class Unfinished(TaskKind):
    """A kind of a user's without its metrics and most of its methods."""

    def predict(self, logits: Any) -> Any:
        return logits


class Scaled(Regression):
    """A kind that takes more than a task."""

    def __init__(self, task: Task, scale: float) -> None:
        super().__init__(task)


class Broken(Regression):
    """A kind whose constructor fails."""

    def __init__(self, task: Task) -> None:
        raise KeyError("scale")


class WithoutConstant(Regression):
    """A kind with probabilities, and none of a constant prediction."""

    metrics: ClassVar[Mapping[str, Metric]] = {"auroc": CLASS_METRICS["auroc"]}

    def probabilities(self, logits: Any) -> Any:
        return logits


class WithoutAny(Regression):
    """A kind that names a metric of probabilities and has none."""

    metrics: ClassVar[Mapping[str, Metric]] = {"auroc": CLASS_METRICS["auroc"]}


def test_a_task_without_a_kind_is_what_its_labels_say() -> None:
    assert isinstance(kind_of(task(["a", "b"], None)), Classification)
    assert isinstance(kind_of(task(None, None)), Regression)
    assert isinstance(kind_of(task(None, "regression")), Regression)


def test_a_class_is_a_kind_by_its_dotted_path() -> None:
    path = "tlbench.tasks.regression.Regression"
    assert isinstance(kind_of(task(None, path)), Regression)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("parsing", "Change kind of task 't': 'parsing' is none of classification, regression"),
        ("no.such.Kind", "Change kind of task 't': 'no.such.Kind' can't be imported .*'no'"),
        ("torch.Tensor", "Change kind of task 't': 'torch.Tensor' is not a tlbench.tasks.base"),
        ("torch.add", "Change kind of task 't': 'torch.add' is not a tlbench.tasks.base"),
        ("os.getcwd", "Change kind of task 't': 'os.getcwd' is of Python's own library"),
        (
            f"{__name__}.Unfinished",
            "Change kind of task 't', or the class: '.*Unfinished' lacks constant, labeller, "
            "losses, metrics, outputs",
        ),
        (f"{__name__}.Scaled", "Change kind of task 't': .*Scaled' can't be made .*'scale'"),
        (
            f"{__name__}.Broken",
            r"Change kind of task 't': .*Broken' can't be made \(KeyError: 'scale' in test_kinds",
        ),
        ("regression", "'accuracy' is not one of pearson, spearman, mse"),
    ],
)
def test_a_wrong_kind_is_named(kind: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_task(task(["a", "b"], kind))


def test_a_regression_has_no_labels() -> None:
    wrong = Task("t", ["a", "b"], ["pearson"], ["pearson"], Source("generated"), "regression")
    with pytest.raises(UserError, match="Change labels of task 't' to null"):
        check_task(wrong)


@pytest.mark.parametrize(
    ("kind", "lacks"),
    [("WithoutAny", "probabilities"), ("WithoutConstant", "constant_probabilities")],
)
def test_a_kind_without_what_its_metrics_need_is_refused(kind: str, lacks: str) -> None:
    wrong = Task("t", None, ["auroc"], ["auroc"], Source("generated"), f"{__name__}.{kind}")
    message = f"Change metrics of task 't', or its kind: auroc needs {lacks}, and {kind} has none"
    with pytest.raises(UserError, match=message):
        check_task(wrong)
