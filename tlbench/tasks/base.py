"""What a task kind is: the labels, outputs, loss, predictions and metrics of its tasks."""

import math
import reprlib
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.config.keys import is_under, later_values
from tlbench.config.schema import Task
from tlbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

# Keys of a task that are of some kinds alone: what stands for not having them, and whose they are.
_OF_KINDS = {
    "positive": ("null", "classifications"),
    "loss": ("null", "classifications"),
    "relabel": ("null", "classifications"),
    "threshold": ("0.5", "multilabel tasks"),
    "source.separator": ("null", "multilabel tasks"),
    "source.label_columns": ("null", "multilabel tasks"),
    "source.choices": ("null", "multiple_choice tasks"),
    "cut_as": ("null", "mlm tasks"),
    "mask": ("0", "consistency tasks"),
}

Label = float | list[float]  # of a row
ToLabel = Callable[[Any, str], Label]


@dataclass(frozen=True)
class Metric:
    """A metric that a task may name.

    Attributes:
        compute: from predictions and labels, each (rows, ...), and the number of outputs; NaN where
            the metric is not defined.
        is_correlation: whether it is 0 of a constant prediction, and not defined where all labels
            are the same.
        of_probabilities: whether ``compute`` gets probabilities, (rows, outputs), in the place of
            predictions: those of the kind's ``probabilities``.
        less_is_better: whether it is an error, which can't be in a ``score``: the larger of two
            scores is the better one wherever scores are compared.
    """

    compute: "Callable[[Tensor, Tensor, int], Tensor]"
    is_correlation: bool = False
    of_probabilities: bool = False
    less_is_better: bool = False


class TaskKind(ABC):
    """A kind of tasks, for one task.

    A label is a number, or where ``label_length`` says so a list of them. Modules of kinds import
    torch inside functions, for planning asks them for their metrics.

    Attributes:
        metrics: what a task of this kind may name, by name.
        own_keys: keys of a task, or groups of them, that other kinds do without.
        shared_head: the begin of a head's name that tasks of one number of outputs share.
        label_length: how many numbers a row's label is a list of, -1 where rows differ in it; None
            where a label is one number.
        reads_labels: whether rows have labels; without them a source need not name any, and all
            rows get the label 0.
        reads_words: whether a row is a list of words with a label each, and a head reads the first
            token of every word; else it reads the row's first token.
        masks: whether tokens of a row are masked, and a head reads those: the labels are what they
            were (``tlbench.data.masking``).
        sequences: how many sequences of tokens a row is, as many of every row; a head reads each,
            and gives an equal part of the row's outputs.
        may_merge: whether rows of a split of ``more_dev`` may have fewer labels than the task.
        trains_on_labels: whether losses are of labels; else train rows may be without.
        copies: whether its sequences are all of the same tokens, and not of choices.
        merges: whether those of this task, which is then as such a split reads it, have fewer.
    """

    metrics: ClassVar[Mapping[str, Metric]]
    own_keys: ClassVar[tuple[str, ...]] = ()
    shared_head: ClassVar[str] = "labels"
    label_length: int | None = None
    reads_labels: ClassVar[bool] = True
    reads_words: ClassVar[bool] = False
    masks: ClassVar[bool] = False
    sequences: int = 1
    may_merge: ClassVar[bool] = False
    trains_on_labels: ClassVar[bool] = True
    copies: ClassVar[bool] = False
    merges: bool = False

    def __init__(self, task: Task) -> None:
        self.task = task

    def check(self) -> None:
        """Refuse a definition that does not go with the kind.

        Raises:
            UserError: naming the key of the task to change.
        """
        if len(set(self.task.labels or ())) < len(self.task.labels or ()):
            raise UserError(f"Change labels of task '{self.task.name}': one is there twice.")
        self.check_keys()

    def check_keys(self) -> None:
        """Refuse keys that are of other kinds.

        Raises:
            UserError: naming the first.
        """
        for key in later_values(self.task):
            for group, (absent, kinds) in _OF_KINDS.items():
                if is_under(key, [group]) and group not in self.own_keys:
                    raise UserError(
                        f"Change {key} of task '{self.task.name}' to {absent}: it is of {kinds}."
                    )

    @property
    @abstractmethod
    def outputs(self) -> int:
        """How many numbers a head gives for a row."""

    @property
    def has_choices(self) -> bool:
        """Whether its sequences are of choices, one of which is right."""
        return self.sequences > 1 and not self.copies

    @property
    def reads_places(self) -> bool:
        """Whether a head reads tokens at places of their own in a row, with a label each."""
        return self.reads_words or self.masks

    @property
    def no_label(self) -> Label:
        """What stands for the label of a row without one, of a source of several tasks' labels."""
        return math.nan if self.label_length is None else [math.nan] * self.label_length

    @abstractmethod
    def labeller(self) -> ToLabel:
        """Return what turns a raw label, found at a place, into a label.

        It raises a ``UserError`` that names the place if the label is none of the task's.
        """

    def label_tensor(self, labels: Sequence[Label]) -> "Tensor":
        """Return the labels of a task's rows in a batch, maybe none, (rows, ...), in float32.

        What is here takes any ``label_length`` but -1, of which the kind has to pad what it gets.
        """
        import torch

        shape = () if self.label_length is None else (self.label_length,)
        return torch.tensor(labels, dtype=torch.float32).reshape(len(labels), *shape)

    def see_train(self, labels: "Tensor") -> None:  # noqa: B027 - most kinds need nothing of it
        """Take in the labels, (rows, ...), of the train rows that are used: before any loss."""

    @abstractmethod
    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        """Return the loss of every row, (rows,), in float32.

        Args:
            logits: (rows, outputs).
            labels: (rows, ...), in float32, as ``label_tensor`` has them.
        """

    def mean_loss(self, logits: "Tensor", labels: "Tensor") -> float:
        """Return the mean loss of rows; labels may be in float64, else as for ``losses``."""
        return float(self.losses(logits, labels).mean())

    @abstractmethod
    def predict(self, logits: "Tensor") -> "Tensor":
        """Return predictions, (rows, ...) as labels are, from logits, (rows, outputs)."""

    def of_heads(self, values: "Tensor") -> "Tensor":
        """Return the part of logits or predictions that a head has given, (any, ...): here all."""
        return values

    def probabilities(self, logits: "Tensor") -> "Tensor | None":
        """Return probabilities, (rows, outputs), from logits of that shape; None: it has none."""
        return None

    def chosen_threshold(self, logits: "Tensor", labels: "Tensor") -> float | None:
        """Return the ``threshold`` that held-out rows choose; None where they are not to.

        Args:
            logits: (rows, outputs).
            labels: (rows, ...).
        """
        return None

    def for_metrics(self, said: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return what metrics are computed of, here as it is given.

        Args:
            said: predictions, (rows, ...), or probabilities, (rows, outputs).
            labels: (rows, ...).
        """
        return said, labels

    def row_counts(self, predictions: "Tensor", labels: "Tensor") -> "Tensor | None":
        """Return what reports resample in the place of predictions, (rows, any); None: nothing.

        Args:
            predictions, labels: (rows, ...).
        """
        return None

    @abstractmethod
    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the best constant prediction of a row for rows with these labels, (rows, ...)."""

    def constant_probabilities(self, labels: "Tensor") -> "Tensor | None":
        """Return the best constant probabilities, (outputs,), for rows with these labels.

        None of a kind that has no probabilities.
        """
        return None


def with_threshold(task: Task, threshold: float | None) -> Task:
    """Return a task with the threshold that held-out rows chose; as it is where they did not."""
    return task if threshold is None else replace(task, threshold=threshold)


def unknown_label(task: Task, raw: str, known: Collection[str], where: str) -> UserError:
    """Return what says that a label is none of a task's.

    Args:
        raw: the label as it was found.
        known: the labels as they are written.
        where: file and line.
    """
    change = "source.strip to true" if raw.strip() in known else "labels (or source.values)"
    return UserError(
        f"Change {change} of task '{task.name}', or have source.keep leave such rows out: "
        f"{where} has the label {reprlib.repr(raw)}, known are "
        f"{textwrap.shorten(', '.join(known), 200)}."
    )
