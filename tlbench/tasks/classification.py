"""Tasks whose rows are each of one class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.config.schema import Task
from tlbench.config.validation import one_of
from tlbench.errors import UserError
from tlbench.tasks.base import Metric, TaskKind, ToLabel, unknown_label
from tlbench.tasks.class_loss import balanced_weights, check_loss, class_losses
from tlbench.tasks.class_metrics import CLASS_METRICS
from tlbench.tasks.worst_group import base_of

if TYPE_CHECKING:
    from torch import Tensor


class Classification(TaskKind):
    """One of the task's ``labels`` for each row; losses are those of ``class_loss``."""

    metrics: ClassVar[Mapping[str, Metric]] = CLASS_METRICS
    own_keys: ClassVar[tuple[str, ...]] = ("positive", "loss")

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        weights = task.loss.class_weights
        self._weights = weights if isinstance(weights, list) else None

    def check(self) -> None:
        where, labels = f"of task '{self.task.name}'", self.task.labels or []
        if len(set(labels)) < max(2, len(labels)):
            raise UserError(f"Change labels {where}: give two or more different names, or null.")
        values = self.task.source.values
        if values is not None and not len(set(values)) == len(values) == len(labels):
            raise UserError(
                f"Change source.values {where}: give a different one for each of its labels."
            )
        if "f1" in map(base_of, self.task.metrics) and len(labels) != 2:
            raise UserError(f"Change metrics {where}: f1 needs two labels; use macro_f1.")
        self.check_keys()
        self._check_positive(labels, where)
        check_loss(self.task)

    def _check_positive(self, labels: Sequence[str], where: str) -> None:
        positive = self.task.positive
        if positive is None:
            return
        if len(labels) != 2:
            raise UserError(f"Change positive {where} to null: it chooses one of two labels.")
        one_of(f"positive {where}", positive, labels)

    @property
    def outputs(self) -> int:
        return len(self.task.labels or [])

    def labeller(self) -> ToLabel:
        written = self.task.source.values or self.task.labels or []
        index = {str(value): float(i) for i, value in enumerate(written)}

        def to_class(raw: Any, where: str) -> float:
            if str(raw) not in index:
                raise unknown_label(self.task, str(raw), index, where)
            return index[str(raw)]

        return to_class

    def see_train(self, labels: "Tensor") -> None:
        if self.task.loss.class_weights == "balanced":
            self._weights = balanced_weights(labels, self.outputs)

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        loss = self.task.loss
        assert loss.class_weights is None or self._weights, "see_train comes first"
        return class_losses(logits, labels, loss, self._weights)

    def predict(self, logits: "Tensor") -> "Tensor":
        return logits.argmax(dim=1)

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Return the softmax in float64, in which few large probabilities become the same."""
        return logits.double().softmax(dim=1)

    def for_metrics(self, said: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return what is given with the positive one of two classes as the second."""
        if self.task.positive is None or self.task.positive != (self.task.labels or [])[0]:
            return said, labels
        return said.flip(1) if said.ndim == 2 else 1 - said, 1 - labels

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the most frequent class."""
        return labels.long().bincount(minlength=self.outputs).argmax()

    def constant_probabilities(self, labels: "Tensor") -> "Tensor":
        """Return the classes' shares, whose log loss on these rows no other constant's is below."""
        return labels.long().bincount(minlength=self.outputs).double() / len(labels)
