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


def predict(task: Task, logits: Tensor) -> Tensor:
    """Class indices, or numbers in a regression, (rows,), from logits, (rows, outputs)."""
    return logits[:, 0].double() if task.labels is None else logits.argmax(dim=1)


def compute(task: Task, predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """The task's metrics as fractions, and ``score``: the mean of those named in its ``score``.

    A metric that is not defined, as a correlation with a constant, is NaN.
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


def _classification(classes: int) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    def matthews(predictions: Tensor, labels: Tensor) -> Tensor:
        if _constant(predictions) or _constant(labels):
            return torch.tensor(0.0)  # the limit, as scikit-learn has it
        if classes == 2:
            return binary_matthews_corrcoef(predictions, labels)
        return multiclass_matthews_corrcoef(predictions, labels, classes)

    return {
        "accuracy": lambda p, y: multiclass_accuracy(p, y, classes, average="micro"),
        "f1": binary_f1_score,
        "macro_f1": lambda p, y: multiclass_f1_score(p, y, classes, average="macro"),
        "matthews": matthews,
    }


def _constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _regression() -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    def unless_constant(
        function: Callable[[Tensor, Tensor], Tensor],
    ) -> Callable[[Tensor, Tensor], Tensor]:
        def checked(predictions: Tensor, labels: Tensor) -> Tensor:
            if _constant(predictions) or _constant(labels):
                return torch.tensor(math.nan)
            return function(predictions, labels)

        return checked

    return {
        "pearson": unless_constant(pearson_corrcoef),
        "spearman": unless_constant(spearman_corrcoef),
        "mse": mean_squared_error,
    }


def majority_score(task: Task, train_labels: Tensor, labels: Tensor) -> float:
    """The score of predicting the train rows' most frequent class, or their mean, everywhere."""
    if task.labels is None:
        constant = train_labels.double().mean()
    else:
        constant = train_labels.long().bincount(minlength=len(task.labels)).argmax()
    return compute(task, constant.expand(len(labels)), labels)["score"]
