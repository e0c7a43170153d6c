"""A task's metrics from its logits, by torchmetrics, and the score of always saying the same."""

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics.functional import mean_squared_error, pearson_corrcoef, spearman_corrcoef
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_matthews_corrcoef,
    multiclass_accuracy,
    multiclass_f1_score,
    multiclass_matthews_corrcoef,
)

from tlbench.config import Task
from tlbench.model.multitask import row_losses

Metric = Callable[[Tensor, Tensor], Tensor]  # from predictions and labels, (rows,)
EXPLODED = 100


def predict(task: Task, logits: Tensor) -> Tensor:
    """Class indices, or numbers in a regression, (rows,), from logits, (rows, outputs)."""
    return logits[:, 0].double() if task.labels is None else logits.argmax(dim=1)


def compute(task: Task, predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """The task's metrics as fractions, and ``score``: the mean of those named in its ``score``.

    A metric that is not defined is NaN, never the 0 that libraries put there: a correlation
    (Matthews', too) with a constant, F1 where its class is neither there nor predicted.
    """
    if task.labels is None:
        functions = _regression()
        labels = labels.double()
    else:
        functions = _classification(len(task.labels))
        labels = labels.long()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the NaN of a constant says enough
        found = {name: float(functions[name](predictions, labels)) for name in task.metrics}
    return {**found, "score": sum(found[name] for name in task.score) / len(task.score)}


def diverged(task: Task, logits: Tensor, labels: Tensor) -> bool:
    """Whether the training that these logits, (rows, outputs), come from has diverged.

    They are not finite, or their mean loss is ``EXPLODED`` times that of knowing nothing: equal
    probabilities, or 0 in a regression. A loss or a gradient that is not finite leaves weights
    that are not, for good, so the next evaluation shows it and no step need wait for a look at its
    loss; the steps with infinite gradients that 16-bit training skips are no harm.
    """
    if not logits.isfinite().all():
        return True
    knowing_nothing = float(row_losses(task, torch.zeros_like(logits), labels).mean())
    # At least 1: labels may be tiny numbers, and then a fresh head is far from them.
    limit = EXPLODED * max(1.0, knowing_nothing)
    return float(row_losses(task, logits, labels).mean()) > limit


def _classification(classes: int) -> dict[str, Metric]:
    def f1(predictions: Tensor, labels: Tensor) -> Tensor:
        if not (predictions.any() or labels.any()):
            return torch.tensor(math.nan)
        return binary_f1_score(predictions, labels)

    def matthews(predictions: Tensor, labels: Tensor) -> Tensor:
        if classes == 2:
            return binary_matthews_corrcoef(predictions, labels)
        return multiclass_matthews_corrcoef(predictions, labels, classes)

    return {
        "accuracy": lambda p, y: multiclass_accuracy(p, y, classes, average="micro"),
        "f1": f1,
        "macro_f1": lambda p, y: multiclass_f1_score(p, y, classes, average="macro"),
        "matthews": _unless_constant(matthews),
    }


def _regression() -> dict[str, Metric]:
    return {
        "pearson": _unless_constant(pearson_corrcoef),
        "spearman": _unless_constant(spearman_corrcoef),
        "mse": mean_squared_error,
    }


def _unless_constant(function: Metric) -> Metric:
    def checked(predictions: Tensor, labels: Tensor) -> Tensor:
        if _constant(predictions) or _constant(labels):
            return torch.tensor(math.nan)
        return function(predictions, labels)

    return checked


def _constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def majority_score(task: Task, train_labels: Tensor, labels: Tensor) -> float:
    """The score of predicting the train rows' most frequent class, or their mean, everywhere."""
    if task.labels is None:
        constant = train_labels.double().mean()
    else:
        constant = train_labels.long().bincount(minlength=len(task.labels)).argmax()
    return compute(task, constant.expand(len(labels)), labels)["score"]
