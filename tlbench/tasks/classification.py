"""Tasks whose rows are each of one class."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.config.schema import Task
from tlbench.config.validation import one_of
from tlbench.errors import UserError
from tlbench.tasks.base import Metric, TaskKind, ToLabel, unknown_label
from tlbench.tasks.class_loss import balanced_weights, check_loss, class_losses
from tlbench.tasks.class_metrics import CLASS_METRICS
from tlbench.tasks.relabelling import check_relabel, new_labels, source_labels
from tlbench.tasks.worst_group import base_of

if TYPE_CHECKING:
    from torch import Tensor


class Classification(TaskKind):
    """One of the task's ``labels`` for each row; losses are those of ``class_loss``.

    Labels that ``source.values`` writes the same, as a split of ``more_dev`` may, count as the
    first of them, whichever is predicted. So are the three labels of MNLI scored on HANS, which has
    two: the highest of the three is taken, and neutral and contradiction are non-entailment (McCoy
    et al. 2019, Right for the Wrong Reasons). Its probability is the sum of theirs.
    """

    metrics: ClassVar[Mapping[str, Metric]] = CLASS_METRICS
    own_keys: ClassVar[tuple[str, ...]] = ("positive", "loss", "relabel")
    may_merge: ClassVar[bool] = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        weights = task.loss.class_weights
        self._weights = weights if isinstance(weights, list) else None
        written = task.source.values or []
        # Of each label the place of the first that is written as it is.
        self._firsts = [written.index(value) for value in written]
        self.merges = len(set(written)) < len(written)

    def check(self) -> None:
        where, labels = f"of task '{self.task.name}'", self.task.labels or []
        if len(set(labels)) < max(2, len(labels)):
            raise UserError(f"Change labels {where}: give two or more different names, or null.")
        check_relabel(self.task)
        values, written = self.task.source.values, source_labels(self.task)
        if values is not None and not len(set(values)) == len(values) == len(written):
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
        read_as = new_labels(self.task)
        written = [str(value) for value in self.task.source.values or source_labels(self.task)]
        index = {value: read_as[written.index(value)] for value in written}

        def to_class(raw: Any, where: str) -> float:
            if str(raw) not in index:
                raise unknown_label(self.task, str(raw), index, where)
            return index[str(raw)]

        return to_class

    def see_train(self, labels: "Tensor") -> None:
        if self.task.loss.class_weights == "balanced":
            self._weights = balanced_weights(labels, self.outputs)

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return the losses; of labels that are merged -log p, without what ``loss`` changes."""
        if self.merges:
            others = self._places(logits) != labels[:, None]
            log_p = logits.double().log_softmax(dim=1).masked_fill(others, -math.inf)
            return -log_p.logsumexp(dim=1).float()
        loss = self.task.loss
        assert loss.class_weights is None or self._weights, "see_train comes first"
        return class_losses(logits, labels, loss, self._weights)

    def predict(self, logits: "Tensor") -> "Tensor":
        highest = logits.argmax(dim=1)
        return self._places(highest)[highest] if self.merges else highest

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Return the softmax in float64, in which few large probabilities become the same."""
        each = logits.double().softmax(dim=1)
        if not self.merges:
            return each
        return each.new_zeros(each.shape).index_add(1, self._places(each), each)

    def _places(self, like: "Tensor") -> "Tensor":
        """Return of each label the first that is written as it is, (labels,), on a device."""
        import torch

        return torch.tensor(self._firsts, device=like.device)

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
