"""Tasks whose rows are each of one class."""

import math
import reprlib
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.errors import UserError
from tlbench.tasks.base import Metric, TaskKind, ToLabel

if TYPE_CHECKING:
    from torch import Tensor


def _accuracy(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    from torchmetrics.functional.classification import multiclass_accuracy

    return multiclass_accuracy(predictions, labels.long(), classes, average="micro")


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


def _matthews(predictions: "Tensor", labels: "Tensor", classes: int) -> "Tensor":
    from torchmetrics.functional import classification

    if classes == 2:
        return classification.binary_matthews_corrcoef(predictions, labels.long())
    return classification.multiclass_matthews_corrcoef(predictions, labels.long(), classes)


class Classification(TaskKind):
    """One of the task's ``labels`` for each row; losses are cross-entropies."""

    metrics: ClassVar[Mapping[str, Metric]] = {
        "accuracy": Metric(_accuracy),
        "f1": Metric(_f1),
        "macro_f1": Metric(_macro_f1),
        "matthews": Metric(_matthews, is_correlation=True),
    }

    def check(self) -> None:
        where, labels = f"of task '{self.task.name}'", self.task.labels or []
        if len(set(labels)) < max(2, len(labels)):
            raise UserError(f"Change labels {where}: give two or more different names, or null.")
        values = self.task.source.values
        if values is not None and not len(set(values)) == len(values) == len(labels):
            raise UserError(
                f"Change source.values {where}: give a different one for each of its labels."
            )
        if "f1" in self.task.metrics and len(labels) != 2:
            raise UserError(f"Change metrics {where}: f1 needs two labels; use macro_f1.")

    @property
    def outputs(self) -> int:
        return len(self.task.labels or [])

    def labeller(self) -> ToLabel:
        written = self.task.source.values or self.task.labels or []
        index = {str(value): float(i) for i, value in enumerate(written)}

        def to_class(raw: Any, where: str) -> float:
            if str(raw) not in index:
                known = textwrap.shorten(", ".join(index), 200)
                raise UserError(
                    f"Change labels (or source.values) of task '{self.task.name}': {where} has the "
                    f"label {reprlib.repr(str(raw))}, known are {known}."
                )
            return index[str(raw)]

        return to_class

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits.float(), labels.long(), reduction="none")

    def predict(self, logits: "Tensor") -> "Tensor":
        return logits.argmax(dim=1)

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the most frequent class."""
        return labels.long().bincount(minlength=self.outputs).argmax()
