"""Tokenised rows of a split, and which of them are used."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow.compute as pc
import torch
from datasets import Dataset
from numpy.typing import NDArray

from tlbench.config.schema import Task
from tlbench.data.groups import Groups, groups_of
from tlbench.errors import UserError
from tlbench.tasks import ragged
from tlbench.tasks.base import TaskKind
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.label_columns import has_label_columns, label_column

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TokenizedSplit:
    """Tokenised rows of one split of a task: all of them, and which are used.

    Attributes:
        weights: of the rows that are used, (used rows,), what each counts in its task's loss; None
            for 1 each.
    """

    task: Task
    split: str
    tokens: Dataset
    used: Ints
    weights: Floats | None = None

    @cached_property
    def kind(self) -> TaskKind:
        """The kind of the task, which says what a label is."""
        return kind_of(self.task)

    @cached_property
    def sequence_lengths(self) -> Ints:
        """How many tokens the sequences of each row that is used have, (rows, sequences)."""
        sequences = self.tokens.data.column("input_ids")
        if self.kind.has_choices:
            sequences = pc.list_flatten(sequences)
        lengths = pc.list_value_length(sequences).to_numpy()
        if self.kind.copies:
            lengths = np.repeat(lengths, self.kind.sequences)
        lengths = lengths.reshape(-1, self.kind.sequences)
        return np.asarray(lengths[self.used], dtype=np.int64)

    @cached_property
    def lengths(self) -> Ints:
        """How many tokens the longest sequence of each row that is used has, (rows,)."""
        return np.asarray(self.sequence_lengths.max(axis=1), dtype=np.int64)

    @cached_property
    def labels(self) -> Floats:
        """The label of each row of the split, used or not: (rows,), or (rows, label_length).

        Of a ``label_length`` of -1 it is that of the longest, and ``ragged.NONE`` fills the others.
        """
        column, length = self.tokens.data.column("label"), self.kind.label_length
        if length == -1:
            return ragged.padded(column)
        numbers = column if length is None else pc.list_flatten(column)
        flat = np.asarray(numbers.to_numpy(), dtype=np.float64)
        return flat if length is None else flat.reshape(len(column), length)

    @property
    def words(self) -> Floats:
        """Of each row of words the places of their tokens, as ``labels``; below 0 if none.

        Of rows whose tokens are masked the places of those that are, in evaluation.
        """
        return ragged.padded(self.tokens.data.column("words"))

    def labelled(self) -> "TokenizedSplit":
        """Return the same without rows that have no label of this task, but of others.

        Raises:
            UserError: if none has one.
        """
        if not has_label_columns(self.task):
            return self
        labels = self.labels[self.used].reshape(len(self.used), -1)
        used = self.used[~np.isnan(labels).any(axis=1)]
        if len(self.used) and not len(used):
            raise UserError(
                f"Change source.label of task '{self.task.name}', or subsample_size: column "
                f"'{label_column(self.task)}' is empty in all {len(self.used)} rows of "
                f"{self.split} that are used."
            )
        return replace(self, used=used)

    @cached_property
    def groups(self) -> Groups:
        """By name which of the rows that are used are in a group, (used rows,) each."""
        return groups_of(self.tokens, self.used)

    @cached_property
    def used_labels(self) -> torch.Tensor:
        """The labels of the rows that are used, as ``labels`` has them, in float64."""
        return torch.from_numpy(self.labels[self.used])
