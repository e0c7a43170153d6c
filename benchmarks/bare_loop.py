"""The yardstick: a plain PyTorch training loop with Transformers' defaults, for one task or more.

Written before tlbench was made fast, and frozen then: this file is not to be changed, or numbers
measured at different times no longer compare. It knows nothing of tlbench. Attention is
Transformers' default (sdpa) with its own dropout; bfloat16 autocast, batches of rows of like
length, fused AdamW with linear warm-up and decay, gradients clipped at norm 1, non-blocking
copies, no logging, and nothing that waits for the device.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import AutoConfig, AutoModel, PreTrainedModel

WINDOW = 50  # batches in a window whose rows are sorted by length


@dataclass(frozen=True)
class Row:
    """One row: ``input_ids`` and so on without padding, its task's index, and its label."""

    inputs: dict[str, list[int]]
    task: int
    label: float


@dataclass(frozen=True)
class Settings:
    """What all contenders share; ``warmup`` is a fraction of ``steps``."""

    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup: float
    seed: int
    device: str
    workers: int
    clip: float = 1.0


class Trainable(Protocol):
    """What ``fit`` needs of a batch; ``inputs["attention_mask"]`` tells tokens from padding."""

    @property
    def inputs(self) -> dict[str, Tensor]: ...

    def to(self, device: str) -> Self: ...


AnyBatch = TypeVar("AnyBatch", bound=Trainable)


class Batch(NamedTuple):
    """Rows of one or more tasks, those of a task side by side.

    Attributes:
        inputs: what the encoder takes, each (rows, tokens).
        labels: class indices or numbers as floats, (rows,).
        counts: rows of each task, on the CPU.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    counts: list[int]

    def to(self, device: str) -> "Batch":
        inputs = {name: value.to(device, non_blocking=True) for name, value in self.inputs.items()}
        return Batch(inputs, self.labels.to(device, non_blocking=True), self.counts)

    def pin_memory(self) -> "Batch":
        inputs = {name: value.pin_memory() for name, value in self.inputs.items()}
        return Batch(inputs, self.labels.pin_memory(), self.counts)


class SharedEncoder(nn.Module):
    """One encoder, and for every task a head of RoBERTa's form on its first token.

    Args:
        encoder: a name or folder of Transformers.
        outputs: of each task's head; 1 is a regression.
        pretrained: False for random weights of the encoder's shape.
    """

    def __init__(self, encoder: str, outputs: Sequence[int], pretrained: bool) -> None:
        super().__init__()
        self.encoder = _encoder(encoder, pretrained)
        self.heads = nn.ModuleList(_head(self.encoder.config, n) for n in outputs)
        self.outputs = tuple(outputs)

    def forward(self, batch: Batch) -> Tensor:
        """The sum of the tasks' mean losses, from one encoder forward."""
        features = self.encoder(**batch.inputs).last_hidden_state[:, 0]
        losses = []
        for head, outputs, rows, labels in zip(
            self.heads,
            self.outputs,
            torch.split(features, batch.counts),
            torch.split(batch.labels, batch.counts),
            strict=True,
        ):
            if len(labels):
                logits = head(rows).float()
                if outputs == 1:
                    losses.append(mse_loss(logits[:, 0], labels))
                else:
                    losses.append(cross_entropy(logits, labels.long()))
        return torch.stack(losses).sum()


def _encoder(name: str, pretrained: bool) -> PreTrainedModel:
    auto: Any = AutoModel
    options = {"dtype": torch.float32, "add_pooling_layer": False}
    model: PreTrainedModel
    if pretrained:
        model = auto.from_pretrained(name, **options)
    else:
        model = auto.from_config(AutoConfig.from_pretrained(name), **options)
    return model


def _head(config: Any, outputs: int) -> nn.Sequential:
    rate = getattr(config, "classifier_dropout", None)
    rate = config.hidden_dropout_prob if rate is None else rate
    return nn.Sequential(
        nn.Dropout(rate),
        nn.Linear(config.hidden_size, config.hidden_size),
        nn.Tanh(),
        nn.Dropout(rate),
        nn.Linear(config.hidden_size, outputs),
    )


def plan(lengths: NDArray[np.int64], batch_size: int, seed: int) -> list[list[int]]:
    """An epoch's batches: rows shuffled, sorted by length in windows, cut, batches shuffled."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths))
    size = WINDOW * batch_size
    windows = (order[i : i + size] for i in range(0, len(order), size))
    rows = np.concatenate([w[np.argsort(lengths[w], kind="stable")] for w in windows])
    batches = [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def collate(rows: Sequence[Row], tasks: int, pad: int) -> Batch:
    """Sort rows by task and pad them to the longest among them; ``pad`` is a token's number."""
    fill = {"input_ids": pad}
    rows = sorted(rows, key=lambda row: row.task)
    longest = max(len(row.inputs["input_ids"]) for row in rows)
    inputs = {
        name: torch.tensor(
            [
                tokens + [fill.get(name, 0)] * (longest - len(tokens))
                for tokens in (row.inputs[name] for row in rows)
            ]
        )
        for name in rows[0].inputs
    }
    counts = np.bincount([row.task for row in rows], minlength=tasks).tolist()
    return Batch(inputs, torch.tensor([row.label for row in rows]), counts)


def batches(rows: Sequence[Row], tasks: int, pad: int, settings: Settings) -> Iterator[Batch]:
    """As many epochs as are asked for, one after the other."""
    lengths = np.array([len(row.inputs["input_ids"]) for row in rows])
    for epoch in count():
        yield from DataLoader(
            rows,  # type: ignore[arg-type]
            batch_sampler=plan(lengths, settings.batch_size, settings.seed + epoch),
            collate_fn=partial(collate, tasks=tasks, pad=pad),
            num_workers=settings.workers,
            pin_memory=settings.device == "cuda",
        )


def fit(
    model: nn.Module,
    batches: Iterable[AnyBatch],
    settings: Settings,
    after_step: Callable[[Tensor], None],
) -> None:
    """Train for ``settings.steps`` steps.

    Args:
        model: from a batch to its loss, in float32.
        after_step: is given the attention mask of the batch.
    """
    model.to(settings.device).train()
    optimizer = AdamW(_groups(model, settings.weight_decay), lr=settings.lr, fused=True)
    schedule = LambdaLR(optimizer, lambda step: _rate(step, settings))
    for batch in islice(batches, settings.steps):
        here = batch.to(settings.device)
        with torch.autocast(settings.device, dtype=torch.bfloat16):
            loss = model(here)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        after_step(here.inputs["attention_mask"])


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """No decay on biases and normalisation weights."""
    vectors = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _rate(step: int, settings: Settings) -> float:
    warmup = round(settings.warmup * settings.steps)
    if step < warmup:
        return step / warmup
    return (settings.steps - step) / max(1, settings.steps - warmup)
