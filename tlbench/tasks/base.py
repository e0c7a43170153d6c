"""What a task kind is: the labels, outputs, loss, predictions and metrics of its tasks."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.config.schema import Task
from tlbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

ToLabel = Callable[[Any, str], float]


@dataclass(frozen=True)
class Metric:
    """A metric that a task may name.

    Attributes:
        compute: from predictions and labels, each (rows,), and the number of outputs; NaN where the
            metric is not defined.
        is_correlation: whether it is 0 of a constant prediction, and not defined where all labels
            are the same.
    """

    compute: "Callable[[Tensor, Tensor, int], Tensor]"
    is_correlation: bool = False


class TaskKind(ABC):
    """A kind of tasks with one label a row, for one task.

    Modules of kinds import torch inside functions, for planning asks them for their metrics.

    Attributes:
        metrics: what a task of this kind may name, by name.
    """

    metrics: ClassVar[Mapping[str, Metric]]

    def __init__(self, task: Task) -> None:
        self.task = task

    def check(self) -> None:
        """Refuse a definition that does not go with the kind.

        Raises:
            UserError: naming the key of the task to change.
        """
        if len(set(self.task.labels or ())) < len(self.task.labels or ()):
            raise UserError(f"Change labels of task '{self.task.name}': one is there twice.")

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers a head gives for a row."""

    @abstractmethod
    def labeller(self) -> ToLabel:
        """Return what turns a raw label, found at a place, into a number.

        It raises a ``UserError`` that names the place if the label is none of the task's.
        """

    @abstractmethod
    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return the loss of every row, (rows,), in float32.

        Args:
            logits: (rows, outputs).
            labels: (rows,), in float32.
        """

    @abstractmethod
    def predict(self, logits: "Tensor") -> "Tensor":
        """Return predictions, (rows,), from logits, (rows, outputs)."""

    @abstractmethod
    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the best constant prediction, a scalar, for rows with these labels, (rows,)."""
