"""One shared encoder, a head per task or per label count, and the loss of a mixed batch."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from transformers import PreTrainedModel

from tlbench.config import Task
from tlbench.model.features import PLAIN, Kernels, features, prepare
from tlbench.model.kernels import use_fast_kernels


class Head(nn.Module):
    """RoBERTa's classification head: dropout, dense, tanh, dropout, output (Liu et al. 2019)."""

    def __init__(self, config: Any, outputs: int) -> None:
        super().__init__()
        dropout = getattr(config, "hidden_dropout_prob", 0.1)
        own = getattr(config, "classifier_dropout", None)
        self.dropout = nn.Dropout(dropout if own is None else own)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, outputs)
        for layer in (self.dense, self.output):
            nn.init.normal_(layer.weight, std=getattr(config, "initializer_range", 0.02))
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """From the first token's features, (rows, hidden), to logits, (rows, outputs)."""
        hidden = torch.tanh(self.dense(self.dropout(features)))
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class Batch(NamedTuple):
    """Rows of one or more tasks, those of a task side by side.

    Attributes:
        inputs: what the encoder takes: ``input_ids`` and so on, each (rows, tokens).
        label_bits: ``labels`` as integers of the same bits, (rows,): under ``bf16-true`` Lightning
            rounds what is a number in a batch, and an index beyond 256 is another class then.
        counts: rows of each task, in the order of the tasks, (tasks,), on the CPU.
        weights: what each row's loss counts in the whole batch's loss, (rows,).
        ids: the rows' numbers in their split, (rows,).
        rows: how many rows the batch has on all devices.
    """

    inputs: dict[str, Tensor]
    label_bits: Tensor
    counts: tuple[int, ...]
    weights: Tensor
    ids: Tensor
    rows: int

    @property
    def labels(self) -> Tensor:
        """Class indices, or numbers in a regression, as float32, (rows,)."""
        return self.label_bits.view(torch.float32)

    def micro_batches(self, rows: int | None) -> "Iterator[Batch]":
        """The batch in pieces of at most ``rows`` rows, whose losses sum to the batch's."""
        total = len(self.ids)
        ends = [0, *accumulate(self.counts)]
        for low in range(0, total, rows or total):
            high = min(low + (rows or total), total)
            counts = [max(0, min(b, high) - max(a, low)) for a, b in pairwise(ends)]
            yield Batch(
                {name: values[low:high] for name, values in self.inputs.items()},
                self.label_bits[low:high],
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
        kernels: what computes the features; ``use`` sets it.
    """

    kernels = PLAIN

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

    def use(self, kernels: Kernels) -> None:
        """Compute features with kernels that ``tlbench.model.probe`` has tried on the encoder."""
        self.kernels = kernels
        prepare(self.encoder, kernels)
        if kernels.on_cpu:
            use_fast_kernels(self.heads)

    def forward(self, inputs: Mapping[str, Tensor], counts: Sequence[int]) -> list[Tensor]:
        """Logits of every task, (rows of the task, outputs), from one encoder forward."""
        parts = torch.split(features(self.encoder, inputs, self.kernels), list(counts))
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
