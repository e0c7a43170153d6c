"""A task's metrics from its logits, by torchmetrics, and the score of always saying the same."""

import math
from collections.abc import Callable

import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss
from torchmetrics.functional import mean_squared_error, pearson_corrcoef
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_matthews_corrcoef,
    multiclass_accuracy,
    multiclass_f1_score,
    multiclass_matthews_corrcoef,
)

from tlbench.config.schema import Task

Metric = Callable[[Tensor, Tensor], Tensor]  # from predictions and labels, (rows,)
EXPLODED = 100
_ROUNDING = 2.0**-20  # of the largest number: the last of the 24 bits of float32


def predict(task: Task, logits: Tensor) -> Tensor:
    """Class indices, or numbers in a regression, (rows,), from logits, (rows, outputs).

    Numbers that differ by rounding alone become one number. A model that says the same of all rows
    gives the rows of another batch another last digit, which a correlation would rank.
    """
    if task.labels is not None:
        return logits.argmax(dim=1)
    numbers = logits[:, 0].double()
    differ = numbers.max() - numbers.min() > _ROUNDING * numbers.abs().max()
    return torch.where(differ, numbers, numbers[0])


def compute(task: Task, predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """The task's metrics as fractions, and ``score``: the mean of those named in its ``score``.

    A correlation (Matthews', Pearson's, Spearman's) of a constant prediction is 0, which is what
    the prediction is worth and what scikit-learn says for Matthews. NaN, for not defined, is what
    no prediction could mend: a correlation where all labels are the same, F1 where its class is
    neither there nor predicted (predicted, it is 0).

    Args:
        predictions: (rows,), as ``predict`` gives them.
        labels: (rows,); those of a regression in float64, or digits are lost.
    """
    if task.labels is None:
        functions = _REGRESSION
        predictions, labels = predictions.double(), labels.double()
    else:
        functions = _classification(len(task.labels))
        labels = labels.long()
    values = {name: float(functions[name](predictions, labels)) for name in task.metrics}
    return {**values, "score": sum(values[name] for name in task.score) / len(task.score)}


def collapsed(task: Task, logits: Tensor) -> bool:
    """Whether rows with these logits, (rows, outputs), two or more, all get one prediction."""
    return len(logits) > 1 and _constant(predict(task, logits))


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
        "matthews": _correlation(matthews),
    }


def _correlation(function: Metric) -> Metric:
    def checked(predictions: Tensor, labels: Tensor) -> Tensor:
        if _constant(labels):
            return torch.tensor(math.nan)
        return torch.tensor(0.0) if _constant(predictions) else function(predictions, labels)

    return checked


def _constant(values: Tensor) -> bool:
    return bool((values == values[0]).all())


def _pearson(predictions: Tensor, labels: Tensor) -> Tensor:
    return pearson_corrcoef(_scaled(predictions), _scaled(labels))


def _scaled(values: Tensor) -> Tensor:
    """Values shifted and scaled to at most 1, so that no square is 0 or infinite."""
    shifted = values - values[0]
    return shifted / shifted.abs().max()


def _spearman(predictions: Tensor, labels: Tensor) -> Tensor:
    # torchmetrics' own counts ranks in 32 bits, which many equal predictions overflow.
    return _pearson(*(torch.from_numpy(rankdata(values)) for values in (predictions, labels)))


_REGRESSION: dict[str, Metric] = {
    "pearson": _correlation(_pearson),
    "spearman": _correlation(_spearman),
    "mse": mean_squared_error,
}


def majority_score(task: Task, train_labels: Tensor, labels: Tensor) -> float:
    """The score of predicting the train rows' most frequent class, or their mean, everywhere."""
    if task.labels is None:
        constant = train_labels.double().mean()
    else:
        constant = train_labels.long().bincount(minlength=len(task.labels)).argmax()
    return compute(task, constant.expand(len(labels)), labels)["score"]


def row_losses(task: Task, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of every row, (rows,), in float32."""
    logits = logits.float()
    if task.labels is None:
        return mse_loss(logits[:, 0], labels.float(), reduction="none")
    return cross_entropy(logits, labels.long(), reduction="none")
