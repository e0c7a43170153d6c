"""Which rows each batch of a training has: in epochs and steps, or by length to evaluate."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from tlbench.data import batching
from tlbench.data.tokenized_split import TokenizedSplit


class PlannedBatch(NamedTuple):
    """A batch of a training.

    Attributes:
        rows: of every group of tasks in it.
        epoch, step: from 0, the step in its epoch. With the seed they alone decide what is made of
            the rows by chance, so that it is the same again after an interruption.
    """

    rows: batching.BatchPlan
    epoch: int
    step: int


class MultiTaskBatchSampler(Sampler[PlannedBatch]):
    """The mixed batches of the current epoch; Lightning calls ``set_epoch``.

    Args:
        plan: makes the batches of an epoch, or those of them that are left.
        steps: how many an epoch has.
        epoch: the first, which worker processes ask for before Lightning sets it.
    """

    def __init__(
        self, plan: Callable[[int], list[batching.BatchPlan]], steps: int, epoch: int
    ) -> None:
        self.plan = plan
        self.steps = steps
        self.epoch = epoch

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[PlannedBatch]:
        left = self.plan(self.epoch)
        for step, rows in enumerate(left, self.steps - len(left)):
            yield PlannedBatch(rows, self.epoch, step)

    def __len__(self) -> int:
        return self.steps


def by_length(rows: TokenizedSplit, tokens: int) -> list[batching.BatchPlan]:
    """Batches of rows of like length, each of at most so many tokens with its padding."""
    order = np.argsort(rows.lengths, kind="stable")
    lengths = rows.lengths[order] * rows.kind.sequences
    batches, low = [], 0
    for high in range(1, len(order) + 1):
        if high == len(order) or lengths[high] * (high + 1 - low) > tokens:
            batches.append([(0, order[low:high])])
            low = high
    return batches
