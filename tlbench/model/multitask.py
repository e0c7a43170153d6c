"""One shared encoder, a head per task or per label count, and the loss of a mixed batch."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from transformers import PreTrainedModel

from tlbench.config import Task
from tlbench.model.encoder import Head
from tlbench.model.packed import first_tokens


class Batch(NamedTuple):
    """Rows of one or more tasks, those of a task side by side.

    Attributes:
        inputs: what the encoder takes: ``input_ids`` and so on, each (rows, tokens).
        labels: class indices or numbers in float32, (rows,): enough for the loss, and MPS has no
            float64.
        counts: rows of each task, in the order of the tasks, (tasks,), on the CPU.
        weights: what each row's loss counts in the whole batch's loss, (rows,).
        ids: the rows' numbers in their split, (rows,).
        rows: how many rows the batch has on all devices.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    counts: tuple[int, ...]
    weights: Tensor
    ids: Tensor
    rows: int

    def micro_batches(self, rows: int | None) -> "Iterator[Batch]":
        """The batch in pieces of at most ``rows`` rows, whose losses sum to the batch's."""
        total = len(self.labels)
        ends = [0, *accumulate(self.counts)]
        for low in range(0, total, rows or total):
            high = min(low + (rows or total), total)
            counts = [max(0, min(b, high) - max(a, low)) for a, b in pairwise(ends)]
            yield Batch(
                {name: values[low:high] for name, values in self.inputs.items()},
                self.labels[low:high],
                tuple(counts),
                self.weights[low:high],
                self.ids[low:high],
                self.rows,
            )


def head_name(task: Task, heads: str) -> str:
    """The head a task uses: its own, or the one for its number of labels."""
    return task.name if heads == "per_task" else f"labels_{len(task.labels or [None])}"


class MultiTaskModel(nn.Module):
    """A shared encoder with heads.

    Args:
        tasks: in the order in which batches hold them.
        heads: ``per_task`` or ``per_label_count``.

    Attributes:
        packs: whether padding is left out, which ``tlbench.model.packed.can_pack`` must allow.
    """

    packs = False

    def __init__(self, encoder: PreTrainedModel, tasks: Sequence[Task], heads: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.tasks = tuple(tasks)
        self.sharing = heads
        self.head_names = [head_name(task, heads) for task in tasks]
        outputs = {n: len(t.labels or [None]) for n, t in zip(self.head_names, tasks, strict=True)}
        # Sorted, so that a seed gives a head the same weights whatever the order of the tasks.
        # The prefix keeps a task called "training" or "type" from shadowing an attribute.
        self.heads = nn.ModuleDict(
            {f"head_{name}": Head(encoder.config, outputs[name]) for name in sorted(outputs)}
        )

    def forward(self, inputs: Mapping[str, Tensor], counts: Sequence[int]) -> list[Tensor]:
        """Logits of every task, (rows of the task, outputs), from one encoder forward."""
        if self.packs:
            features = first_tokens(self.encoder, inputs)
        else:
            features = self.encoder(**inputs).last_hidden_state[:, 0]
        parts = torch.split(features, list(counts))
        return [
            self.heads[f"head_{name}"](part)
            for name, part in zip(self.head_names, parts, strict=True)
        ]

    def loss(self, batch: Batch) -> Tensor:
        """The batch's loss: weighted rows of cross-entropy, or squared error in a regression."""
        logits = self(batch.inputs, batch.counts)
        labels = torch.split(batch.labels, list(batch.counts))
        rows = [row_losses(*both) for both in zip(self.tasks, logits, labels, strict=True)]
        return (torch.cat(rows) * batch.weights).sum()

    def save_head(self, task: Task, file: Path) -> None:
        """Write the head of a task as safetensors, under names that say nothing of ``heads``.

        A task alone is one stage whatever ``heads`` is set, so its file must serve both settings.
        """
        state = self.heads[f"head_{head_name(task, self.sharing)}"].state_dict()
        save_file({name: value.detach().cpu() for name, value in state.items()}, file)

    def load_head(self, task: Task, file: Path) -> bool:
        """Take over the saved head of ``task``, if a task here shares it; whether one does."""
        name = head_name(task, self.sharing)
        if name not in self.head_names:
            return False
        self.heads[f"head_{name}"].load_state_dict(load_file(file))
        return True


def row_losses(task: Task, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss of every row, (rows,), in float32."""
    logits = logits.float()
    if task.labels is None:
        return mse_loss(logits[:, 0], labels.float(), reduction="none")
    return cross_entropy(logits, labels.long(), reduction="none")


def row_weights(counts: Sequence[int], loss: str) -> Tensor:
    """Each row's weight, (rows,): ``sum`` of the tasks' means, or ``mean`` over all rows."""
    total = sum(counts)
    each = [1 / (count if loss == "sum" else total) if count else 0.0 for count in counts]
    return torch.repeat_interleave(torch.tensor(each), torch.tensor(counts))
