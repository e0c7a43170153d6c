"""The metrics of classifications; ``tlbench.analysis.bootstrap_metrics`` has them of resamples.

Each is of predictions or probabilities, of labels, (rows,), and of the number of classes. A class
counts by its number; of two classes the second is the positive one.
"""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tlbench.tasks.base import Metric

if TYPE_CHECKING:
    from torch import Tensor

_BINS = 15  # of the calibration error, as in Guo et al. 2017


def _accuracy(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    from torchmetrics.functional.classification import multiclass_accuracy

    return multiclass_accuracy(predictions, labels.long(), classes, average="micro")


def _balanced_accuracy(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return the mean recall of the classes that have rows, as scikit-learn does."""
    from torchmetrics.functional.classification import multiclass_recall

    true = labels.long()
    recall = multiclass_recall(predictions, true, classes, average="none")
    return recall[true.bincount(minlength=classes) > 0].mean()


def _f1(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Of the second class; not defined where it is neither there nor predicted."""
    import torch
    from torchmetrics.functional.classification import binary_f1_score

    if not (predictions.any() or labels.any()):
        return torch.tensor(math.nan)
    return binary_f1_score(predictions, labels.long())


def _macro_f1(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    from torchmetrics.functional.classification import multiclass_f1_score

    return multiclass_f1_score(predictions, labels.long(), classes, average="macro")


def _weighted_f1(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return the mean of the classes' F1 by their rows."""
    from torchmetrics.functional.classification import multiclass_f1_score

    return multiclass_f1_score(predictions, labels.long(), classes, average="weighted")


def _micro_f1(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return F1 of the counts of all classes together: with one label a row, the accuracy."""
    from torchmetrics.functional.classification import multiclass_f1_score

    return multiclass_f1_score(predictions, labels.long(), classes, average="micro")


def _matthews(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    from torchmetrics.functional import classification

    if classes == 2:
        return classification.binary_matthews_corrcoef(predictions, labels.long())
    return classification.multiclass_matthews_corrcoef(predictions, labels.long(), classes)


def _auroc(probabilities: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return the area under the ROC; not defined where all rows are of one class."""
    from torchmetrics.functional.classification import binary_auroc

    return _of_classes(binary_auroc, probabilities, labels, most=len(labels) - 1)


def _average_precision(probabilities: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return the mean precision by recall, as scikit-learn; not defined without a positive row."""
    from torchmetrics.functional.classification import binary_average_precision

    return _of_classes(binary_average_precision, probabilities, labels, most=len(labels))


def _of_classes(
    metric: "Callable[[Tensor, Tensor], Tensor]",
    probabilities: "Tensor",
    labels: "Tensor",
    most: int,
) -> "Tensor":
    """Return a metric of the second of two classes, else its mean over classes against the rest.

    Args:
        metric: of probabilities of a class and whether a row is of it, (rows,) each.
        probabilities: (rows, classes).
        labels: (rows,).
        most: a class with more rows, or with none, has no such metric.
    """
    import torch

    classes = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    are_of = [(at, labels == at) for at in classes]
    each = [metric(probabilities[:, at], of.long()) for at, of in are_of if 0 < of.sum() <= most]
    return torch.stack(each).mean() if each else torch.tensor(math.nan)


def _log_loss(probabilities: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return the mean of -log p of the labels; as scikit-learn, no p counts as less than 2^-52."""
    import torch

    right = probabilities.double().gather(1, labels.long()[:, None])
    return -right.clamp(min=torch.finfo(torch.float64).eps).log().mean()


def _calibration_error(probabilities: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    """Return the expected calibration error, equation 3 of Guo et al. 2017.

    That is of 15 equal bins of the largest probability the mean distance (the norm is l1), by their
    rows, of the mean of that probability from the accuracy.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    true = labels.long()
    return multiclass_calibration_error(probabilities, true, classes, n_bins=_BINS, norm="l1")


CLASS_METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(_accuracy),
    "balanced_accuracy": Metric(_balanced_accuracy),
    "f1": Metric(_f1),
    "macro_f1": Metric(_macro_f1),
    "weighted_f1": Metric(_weighted_f1),
    "micro_f1": Metric(_micro_f1),
    "matthews": Metric(_matthews, is_correlation=True),
    "auroc": Metric(_auroc, of_probabilities=True),
    "average_precision": Metric(_average_precision, of_probabilities=True),
    "log_loss": Metric(_log_loss, of_probabilities=True, less_is_better=True),
    "calibration_error": Metric(_calibration_error, of_probabilities=True, less_is_better=True),
}
