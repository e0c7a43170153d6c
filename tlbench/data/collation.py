"""From planned batches to tensors: what the DataLoaders iterate over."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from tlbench.config.schema import Config
from tlbench.data import batching
from tlbench.data.batch import Batch
from tlbench.data.masking import Masking
from tlbench.data.micro_batches import cut_alike, padded, rows_of_forward
from tlbench.data.planned_batches import PlannedBatch
from tlbench.data.ranks import rank_part, rank_part_by_task
from tlbench.data.shared_rows import expanded, row_groups
from tlbench.data.tokenization import pad
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.methods.stage import is_by_task, method_of
from tlbench.tasks import ragged
from tlbench.tasks.base import TaskKind

Ints = NDArray[np.int64]


class MultiTaskDataset(Dataset[Batch]):
    """Indexed by a planned batch, or by rows of every group of tasks (``row_groups``) to evaluate.

    Rows that tasks share are encoded once for all of them; on several devices, where a forward is
    of one task or limited in tokens, and beside rows with choices, once for each.

    Args:
        rank, ranks: which part of every batch to take, of how many.
        tokens: that a forward takes at most; then rows of a task that are as long go together.
    """

    def __init__(
        self,
        rows: list[TokenizedSplit],
        tokenizer: Any,
        config: Config,
        rank: int = 0,
        ranks: int = 1,
        tokens: int | None = None,
    ) -> None:
        self.rows = rows
        self.tokenizer = tokenizer
        names = [split.task.name for split in rows]
        self.method = method_of(config.method, names)
        self.is_by_task = is_by_task(config, names)
        self.max_length = config.encoder.max_length
        self.rows_of_forward = rows_of_forward(config)
        self.rank = rank
        self.ranks = ranks
        self.tokens = tokens
        self.seed = config.seed
        masks = any(split.kind.masks or split.task.mask for split in rows)
        self.masking = Masking(tokenizer) if masks else None
        self.groups = row_groups([split.task for split in rows], [split.used for split in rows])
        has_several = any(split.kind.sequences > 1 for split in rows)
        self.encodes_once = not (self.is_by_task or tokens or ranks > 1 or has_several)

    def __getitem__(self, plan: PlannedBatch | batching.BatchPlan) -> Batch:
        moment: tuple[int, ...] = ()
        if isinstance(plan, PlannedBatch):
            moment = self.seed, plan.epoch, plan.step
            plan = plan.rows
        positions, numbers = expanded(plan, self.groups)
        if self.tokens:
            by_length = [np.argsort(of_task, kind="stable") for of_task in self._lengths(positions)]
            positions = [rows[order] for rows, order in zip(positions, by_length, strict=True)]
        counts = [len(of_task) for of_task in positions]
        weights = self.method.row_weights(counts) * self._own_weights(positions)
        cuts = self._cuts(positions, weights, self.tokens) if self.tokens else ()
        own, weights = self._part(positions, weights, self.rank)
        ids = [rows.used[at] for rows, at in zip(self.rows, own, strict=True)]
        batch = self._batch(ids, weights, moment, numbers if self.encodes_once else None)
        rows = len(batch.lengths) if self.encodes_once else sum(counts)
        encoded = rows if self.encodes_once else _sequence_count(self.rows, counts)
        return batch._replace(rows=rows, encoded=encoded, cuts=cuts)

    def _own_weights(self, positions: Sequence[Ints]) -> torch.Tensor:
        """Return what each row counts beside what its batch makes of it, (rows,)."""
        of_tasks = [
            np.ones(len(at)) if rows.weights is None else rows.weights[at]
            for rows, at in zip(self.rows, positions, strict=True)
        ]
        return torch.from_numpy(np.concatenate(of_tasks)).float()

    def _part(
        self, positions: list[Ints], weights: torch.Tensor, rank: int
    ) -> tuple[list[Ints], torch.Tensor]:
        """Return the rows of a batch that a rank takes, and their weights."""
        if self.ranks == 1:
            return positions, weights
        deal = rank_part_by_task if self.is_by_task else rank_part
        return deal(positions, weights, rank, self.ranks)

    def _lengths(self, positions: Sequence[Ints]) -> list[Ints]:
        """Return how many tokens rows have, by task, from their positions among the used rows."""
        return [rows.lengths[at] for rows, at in zip(self.rows, positions, strict=True)]

    def _sequences(self, positions: Sequence[Ints]) -> list[Ints]:
        """Return how many sequences rows are, by task."""
        of_tasks = zip(self.rows, positions, strict=True)
        return [np.full(len(at), rows.kind.sequences) for rows, at in of_tasks]

    def _cuts(self, positions: list[Ints], weights: torch.Tensor, tokens: int) -> tuple[int, ...]:
        """Return how many of a batch's rows each of this rank's forwards takes.

        Where gradients are made task by task, no forward is of two.
        """
        parts = [self._part(positions, weights, rank)[0] for rank in range(self.ranks)]
        ranks = [list(zip(self._lengths(p), self._sequences(p), strict=True)) for p in parts]
        if not self.is_by_task:
            ranks = [[_joined(of_tasks)] for of_tasks in ranks]
        together = []
        for of_ranks in zip(*ranks, strict=True):
            lengths, sequences = (
                [one.tolist() for one in of] for of in zip(*of_ranks, strict=True)
            )
            together.append(cut_alike(lengths, self.rows_of_forward, tokens, sequences))
        return tuple(rows for sizes in together for rows in sizes[self.rank] if rows)

    def _part_of(self, rows: TokenizedSplit, ids: Ints, moment: Sequence[int]) -> dict[str, Any]:
        """Return the columns of a task's rows, of which tokens are masked if its kind does so.

        Args:
            moment: as ``Masking.rows`` takes it.
        """
        part: dict[str, Any] = rows.tokens[ids.tolist()]
        if rows.kind.copies:
            return part | self._copied(rows, part, ids, moment)
        if not rows.kind.masks:
            return part
        assert self.masking is not None
        masked = self.masking.rows(part["input_ids"], ids.tolist(), moment)
        return part | {"input_ids": masked.ids, "words": masked.places, "label": masked.labels}

    def _copied(
        self, rows: TokenizedSplit, part: dict[str, Any], ids: Ints, moment: Sequence[int]
    ) -> dict[str, Any]:
        """Return what the encoder reads of rows several times, the last time maybe with masks."""
        names = [name for name in self.tokenizer.model_input_names if name in part]
        copied = {name: [[row] * rows.kind.sequences for row in part[name]] for name in names}
        if moment and rows.task.mask:
            assert self.masking is not None
            given = part["input_ids"]
            masked = self.masking.rows(given, ids.tolist(), moment, rows.task.mask)
            for sequences, last in zip(copied["input_ids"], masked.ids, strict=True):
                sequences[-1] = last
        return copied

    def _batch(
        self,
        ids: Sequence[Ints],
        weights: torch.Tensor,
        moment: Sequence[int],
        numbers: Ints | None = None,
    ) -> Batch:
        """Pad the tokens of the tasks' rows to one length.

        Args:
            moment: as ``Masking.rows`` takes it.
            numbers: of all the rows, which of them are the same one; None: none.
        """
        of_splits = zip(self.rows, ids, strict=True)
        parts = [self._part_of(rows, of_rows, moment) for rows, of_rows in of_splits]
        counts = tuple(len(part["label"]) for part in parts)
        names = [name for name in self.tokenizer.model_input_names if name in parts[0]]
        of_tasks = [(rows.kind, part) for rows, part in zip(self.rows, parts, strict=True)]
        inputs = [
            {name: sequences_of(kind, part[name]) for name in names} for kind, part in of_tasks
        ]
        columns = {name: [ids for part in inputs for ids in part[name]] for name in names}
        tokens = tuple(self._width(part["input_ids"]) for part in inputs)
        reads: tuple[int, ...] = ()
        if numbers is not None:
            _, first = np.unique(numbers, return_index=True)
            if len(first) < len(numbers):
                reads = tuple(numbers.tolist())
                columns = {name: [column[at] for at in first] for name, column in columns.items()}
        labels = [kind.label_tensor(part["label"]) for kind, part in of_tasks]
        words = [
            ragged.padded_tensor(part["words"], -1)
            if kind.reads_places
            else torch.empty(len(part["label"]), 0, dtype=torch.long)
            for kind, part in of_tasks
        ]
        return Batch(
            inputs=pad(columns, self.tokenizer.pad_token_id, max(tokens)),
            label_bits=tuple(of_task.view(torch.int32) for of_task in labels),
            counts=counts,
            weights=weights,
            ids=torch.from_numpy(np.concatenate(ids)),
            rows=sum(counts),
            tokens=tokens,
            lengths=tuple(map(len, columns["input_ids"])),
            reads=reads,
            words=tuple(words) if any(kind.reads_places for kind, _ in of_tasks) else (),
            sequences=tuple(kind.sequences for kind, _ in of_tasks),
        )

    def _width(self, sequences: Sequence[Sequence[int]]) -> int:
        """Return to how many tokens all are padded: a multiple of 8, or the longest possible."""
        longest = max(map(len, sequences), default=0)
        return max(longest, min(padded(longest), self.max_length))


def _joined(of_tasks: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    lengths, sequences = zip(*of_tasks, strict=True)
    return np.concatenate(lengths), np.concatenate(sequences)


def _sequence_count(splits: Sequence[TokenizedSplit], counts: Sequence[int]) -> int:
    """Return how many sequences rows of tasks are, of each so many."""
    return sum(of.kind.sequences * count for of, count in zip(splits, counts, strict=True))


def sequences_of(kind: TaskKind, rows: Sequence[Any]) -> Sequence[Sequence[int]]:
    """Return the tokens of sequences, of rows that each are one, or a list of several."""
    return rows if kind.sequences == 1 else [ids for row in rows for ids in row]
