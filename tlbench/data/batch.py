"""A batch of rows as tensors."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from operator import mul
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tlbench.data.micro_batches import padded


class Batch(NamedTuple):
    """Rows of one or more tasks, those of a task side by side.

    A row is one sequence of tokens, or of a task with choices as many as its rows have, side by
    side.

    Attributes:
        inputs: what the encoder takes: ``input_ids`` and so on, each (sequences, tokens).
        label_bits: ``labels`` as integers of the same bits: under ``bf16-true`` Lightning rounds
            what is a number in a batch, and an index beyond 256 is another class then.
        counts: rows of each task, in the order of the tasks, (tasks,), on the CPU.
        weights: what each row's loss counts in the whole batch's loss, (rows,).
        ids: the rows' numbers in their split, (rows,).
        rows: how many rows the batch has on all devices.
        tokens: to how many tokens the rows of each task could be cut, (tasks,); none where nobody
            asks for a task's rows alone.
        lengths: how many tokens each sequence has, (sequences,), on the CPU: to ask a GPU for them
            is to wait for it.
        words: of each task the places in its rows of the tokens that its head reads, (rows of the
            task, words), -1 where a word has none; (rows of the task, 0) of a task whose head reads
            the first token; none where no task has words.
        reads: of each row of a task which row of ``inputs`` it is, (rows,), where tasks share rows
            that are encoded once; none: they are those of ``inputs``, one after the other. The
            tasks' rows are then more than those of ``inputs`` and ``lengths``.
        cuts: how many rows each forward takes at most, one after the other, where
            ``micro_batch_tokens`` limits them; none: as many as fit into ``micro_batch_size``.
        sequences: how many a row of each task is, (tasks,); none where all are 1.
        encoded: how many sequences the encoder reads of the batch, on all devices; 0 where nobody
            counts them.
    """

    inputs: dict[str, Tensor]
    label_bits: tuple[Tensor, ...]
    counts: tuple[int, ...]
    weights: Tensor
    ids: Tensor
    rows: int
    tokens: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    cuts: tuple[int, ...] = ()
    words: tuple[Tensor, ...] = ()
    reads: tuple[int, ...] = ()
    sequences: tuple[int, ...] = ()
    encoded: int = 0

    @property
    def labels(self) -> tuple[Tensor, ...]:
        """The labels of each task's rows as its kind has them, (rows of the task, ...), float32."""
        return tuple(of_task.view(torch.float32) for of_task in self.label_bits)

    def weighted(self, losses: Sequence[Tensor]) -> Tensor:
        """Return the loss of the batch, a scalar, from its rows' by task, each (rows,)."""
        return (torch.cat(list(losses)) * self.weights).sum()

    def micro_batches(self, rows: int | None) -> "Iterator[Batch]":
        """The batch in pieces of at most ``rows`` rows, whose losses sum to the batch's."""
        if self.reads:
            size = rows or len(self.lengths)
            for low in range(0, len(self.lengths), size):
                yield self._shared_piece(low, min(low + size, len(self.lengths)))
            return
        total = len(self.ids)
        for first, end in pairwise(accumulate(self.cuts or (total,), initial=0)):
            for low in range(first, end, rows or total):
                high = min(low + (rows or total), end)
                lengths = self.lengths[self._sequences(low, high)]
                yield self._piece(low, high, padded(max(lengths)) if self.cuts else None)

    def by_task(self) -> "Iterator[tuple[int, Batch]]":
        """Yield the place of every task that has rows, and its rows alone, cut to their tokens."""
        ends = [0, *accumulate(self.counts)]
        for task, (low, high) in enumerate(pairwise(ends)):
            if low < high:
                yield task, self._piece(low, high, self.tokens[task])

    def _shared_piece(self, low: int, high: int) -> "Batch":
        """Return rows ``low`` to ``high`` of ``inputs``, with all that tasks read of them."""
        numbers = np.array(self.reads)
        ends = np.cumsum(self.counts)[:-1]
        by_task = [
            torch.from_numpy(np.flatnonzero((low <= one) & (one < high)))
            for one in np.split(numbers, ends)
        ]
        firsts = [0, *ends.tolist()]
        of_all = torch.cat([first + at for first, at in zip(firsts, by_task, strict=True)])
        on_device = of_all.to(self.weights.device)
        return self._replace(
            inputs={name: values[low:high] for name, values in self.inputs.items()},
            label_bits=tuple(
                bits[at.to(bits.device)] for bits, at in zip(self.label_bits, by_task, strict=True)
            ),
            counts=tuple(map(len, by_task)),
            weights=self.weights[on_device],
            ids=self.ids[on_device],
            lengths=self.lengths[low:high],
            words=tuple(
                places[at.to(places.device)]
                for places, at in zip(self.words, by_task, strict=bool(self.words))
            ),
            reads=tuple((numbers[of_all.numpy()] - low).tolist()),
        )

    def _piece(self, low: int, high: int, tokens: int | None = None) -> "Batch":
        """Return the rows from ``low`` to ``high``, cut to so many tokens."""
        counts = _within(self.counts, low, high)
        firsts = accumulate(self.counts[:-1], initial=0)
        within = [
            slice(max(0, low - at), max(0, low - at) + count)
            for at, count in zip(firsts, counts, strict=True)
        ]
        sequences = self._sequences(low, high)
        return Batch(
            {name: values[sequences, :tokens] for name, values in self.inputs.items()},
            tuple(bits[part] for bits, part in zip(self.label_bits, within, strict=True)),
            counts,
            self.weights[low:high],
            self.ids[low:high],
            self.rows,
            lengths=self.lengths[sequences],
            cuts=tuple(filter(None, _within(self.cuts, low, high))),
            words=tuple(
                places[part] for places, part in zip(self.words, within, strict=bool(self.words))
            ),
            sequences=self.sequences,
        )

    def _sequences(self, low: int, high: int) -> slice:
        """Return which sequences the rows from ``low`` to ``high`` are."""
        if not self.sequences:
            return slice(low, high)
        first, end = (
            sum(map(mul, _within(self.counts, 0, row), self.sequences)) for row in (low, high)
        )
        return slice(first, end)


def _within(sizes: Sequence[int], low: int, high: int) -> tuple[int, ...]:
    """Return how many of the rows from ``low`` to ``high`` are in parts of these sizes."""
    ends = accumulate(sizes, initial=0)
    return tuple(max(0, min(b, high) - max(a, low)) for a, b in pairwise(ends))
