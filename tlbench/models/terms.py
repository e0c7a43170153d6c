"""What is added to the losses of rows beside the losses of their tasks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from tlbench.tasks.base import TaskKind


class Read(NamedTuple):
    """What a model has read of a batch, by task.

    Attributes:
        kinds: of the tasks.
        heads: theirs.
        features: what each head has read, (tokens, hidden size): the first tokens of the task's
            sequences, or those of its words.
        logits: as ``MultiTaskModel.forward`` returns them.
        labels: as the task's kind has them, (rows, ...).
        words: as a ``Batch`` has them.
    """

    kinds: Sequence[TaskKind]
    heads: Sequence[nn.Module]
    features: Sequence[Tensor]
    logits: Sequence[Tensor]
    labels: Sequence[Tensor]
    words: Sequence[Tensor]


class Term(nn.Module, ABC):
    """A term of every row's loss, which its task's row weights weigh as the loss.

    So it is the same whatever the micro-batches, ranks and methods are.
    """

    @abstractmethod
    def forward(self, read: Read) -> list[Tensor]:
        """Return what it adds to the loss of every row, by task, each (rows,), in float32."""
