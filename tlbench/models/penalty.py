"""A penalty on features that are not sparse."""

from torch import Tensor

from tlbench.models.terms import Read, Term
from tlbench.tasks.base import TaskKind


class L1(Term):
    """The L1 norm of a row's features, of a row of words or choices the mean over them.

    The sparse shared representation of Kulkarni et al. 2023 (arXiv 2312.03151, Multitask learning
    can improve worst-group outcomes).

    Args:
        strength: what the norm is multiplied by.
    """

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.strength = strength

    def forward(self, read: Read) -> list[Tensor]:
        return [
            self.strength * norms(part, kind, read.words[task] if kind.reads_places else None)
            for task, (kind, part) in enumerate(zip(read.kinds, read.features, strict=True))
        ]


def norms(features: Tensor, kind: TaskKind, words: Tensor | None) -> Tensor:
    """Return the mean L1 norm of what is read of every row, (rows,), in float32.

    Args:
        features: what a head reads, (tokens, hidden size).
        kind: of the task whose head it is.
        words: of rows of words the places of their tokens, (rows, words), below 0 where there is
            none.
    """
    of_tokens = features.float().abs().sum(dim=1)
    if words is None:
        return of_tokens.view(-1, kind.sequences).mean(dim=1)
    there = words >= 0
    return (of_tokens.view(words.shape) * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
