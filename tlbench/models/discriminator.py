"""Domain-adversarial training: features from which it can't be told whose row it is.

Ganin et al. (2016, Domain-adversarial training of neural networks, JMLR 17(59)): a discriminator
learns of which task a row is from the features that heads read; its gradient goes into the encoder
with the other sign. Here the domains are the tasks of a stage.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tlbench.models.terms import Read, Term

_STEEPNESS = 10.0  # gamma of section 5.2.2


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied by minus ``strength`` (section 4.2)."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


class Discriminator(Term):
    """Tells the tasks of a stage apart: dense, ReLU, output.

    Args:
        hidden_size: of the features.
        tasks: how many there are.
        weight: what its gradient counts in the encoder at the end of the training.

    Attributes:
        strength: what it counts now; see ``proceed``.
        counts: since ``take``, of each task the rows and those told right, (tasks, 2).
    """

    counts: Tensor

    def __init__(self, hidden_size: int, tasks: int, weight: float) -> None:
        super().__init__()
        self.weight, self.strength = weight, 0.0
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, tasks)
        self.register_buffer("counts", torch.zeros(tasks, 2), persistent=False)

    def proceed(self, progress: float) -> None:
        """Set the strength for a part of the training, 0 to 1: it grows from 0 (equation 14)."""
        self.strength = self.weight * (2 / (1 + math.exp(-_STEEPNESS * progress)) - 1)

    def forward(self, read: Read) -> list[Tensor]:
        sizes = [len(of_task) for of_task in read.features]
        of_rows = torch.cat(list(read.features))
        tasks = torch.arange(len(sizes), device=of_rows.device)
        truth = tasks.repeat_interleave(torch.tensor(sizes, device=of_rows.device))
        reversed_: Tensor = _Reversed.apply(of_rows, self.strength)  # type: ignore[no-untyped-call]
        logits = self.output(torch.relu(self.dense(reversed_))).float()
        self._count(logits.detach(), truth)
        losses = cross_entropy(logits, truth, reduction="none")
        return list(torch.split(losses, sizes))

    def _count(self, logits: Tensor, truth: Tensor) -> None:
        is_right = logits.argmax(dim=1) == truth
        rows_and_right = torch.stack([torch.ones_like(is_right), is_right], dim=1)
        self.counts.index_add_(0, truth, rows_and_right.to(self.counts))

    def take(self) -> Tensor:
        """Return the counts, and begin anew."""
        counts = self.counts.clone()
        self.counts.zero_()
        return counts
