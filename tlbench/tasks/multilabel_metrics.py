"""The metrics of rows of several labels; of resamples: ``tlbench.analysis.bootstrap_labels``.

Each is of predictions and labels, (rows, labels), 0 or 1, and of the number of labels.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tlbench.tasks.base import Metric

if TYPE_CHECKING:
    from torch import Tensor


def _micro_f1(predictions: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return F1 of all cells together; NaN where no row has or is given a label."""
    return 2 * (predictions * labels).sum() / (predictions.sum() + labels.sum())


def _macro_f1(predictions: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return the mean F1 of the labels that a row has or is given."""
    hits = (predictions * labels).sum(dim=0)
    return (2 * hits / (predictions.sum(dim=0) + labels.sum(dim=0))).nanmean()


def _sample_f1(predictions: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return the mean F1 of rows; 1 of a row that has no label and is given none."""
    hits = (predictions * labels).sum(dim=1)
    return (2 * hits / (predictions.sum(dim=1) + labels.sum(dim=1))).nan_to_num(nan=1.0).mean()


def _accuracy(predictions: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return the part of rows of which all labels are right: the subset accuracy."""
    return (predictions == labels).all(dim=1).double().mean()


def _hamming_loss(predictions: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return the part of all cells, a label of a row, that are wrong."""
    return (predictions != labels).double().mean()


MULTILABEL_METRICS: Mapping[str, Metric] = {
    "micro_f1": Metric(_micro_f1),
    "macro_f1": Metric(_macro_f1),
    "sample_f1": Metric(_sample_f1),
    "accuracy": Metric(_accuracy),
    "hamming_loss": Metric(_hamming_loss, less_is_better=True),
}
