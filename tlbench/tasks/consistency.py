"""Tasks whose rows need no labels: a head has to say the same of a row twice."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from tlbench.errors import UserError
from tlbench.tasks.base import Metric
from tlbench.tasks.class_metrics import CLASS_METRICS
from tlbench.tasks.classification import Classification

if TYPE_CHECKING:
    from torch import Tensor


class Consistency(Classification):
    """What the head of another task says of a row, under one dropout and under another.

    A row is two sequences of the same tokens, some of which are masked in the second of a training
    where the task has a ``mask``. Its loss is the mean of the two divergences between
    their predictions: the term of R-Drop (Liang et al. 2021, equation 2), of rows without labels.
    Of dev rows, of which both say the same, the labels are those of the other task.
    """

    metrics: ClassVar[Mapping[str, Metric]] = {"accuracy": CLASS_METRICS["accuracy"]}
    own_keys: ClassVar[tuple[str, ...]] = ("mask",)
    may_merge: ClassVar[bool] = False
    trains_on_labels: ClassVar[bool] = False
    copies: ClassVar[bool] = True
    sequences: int = 2

    def check(self) -> None:
        super().check()
        if self.task.head is None:
            raise UserError(
                f"Set head of task '{self.task.name}' to the task that it is made of: a head of "
                "its own would learn to say always the same."
            )

    @property
    def outputs(self) -> int:
        return self.sequences * super().outputs

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return half of KL(p || q) + KL(q || p) of every row; labels are not read."""
        first, second = self._each(logits.float()).log_softmax(dim=2).unbind(dim=1)
        return ((first.exp() - second.exp()) * (first - second)).sum(dim=1) / 2

    def predict(self, logits: "Tensor") -> "Tensor":
        return self.probabilities(logits).argmax(dim=1)

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Return the mean of both softmaxes, (rows, labels)."""
        return self._each(logits.double()).softmax(dim=2).mean(dim=1)

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the most frequent class of the rows that have a label; of none the first."""
        return super().constant(labels[~labels.isnan()])

    def constant_probabilities(self, labels: "Tensor") -> "Tensor":
        """Return the classes' shares of the rows that have a label; no metric is of them."""
        return super().constant_probabilities(labels[~labels.isnan()])

    def _each(self, logits: "Tensor") -> "Tensor":
        """Return logits by sequence, (rows, sequences, labels)."""
        return logits.view(-1, self.sequences, self.outputs // self.sequences)
