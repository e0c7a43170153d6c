"""Distribution matching and soft co-annotation, as a term of the losses of related tasks.

Kollias, Sharmanska and Zafeiriou (2024, arXiv 2401.01219).
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from tlbench.config.schema import Match, Task
from tlbench.methods.matching import Relation, relations_of
from tlbench.models.terms import Read, Term
from tlbench.tasks.classification import Classification


class Matching(Term):
    """How far what another task's head says of a row is from what is to be expected.

    Expected is q = p R, where R is the relation of the two tasks and p what the row's own head says
    of its labels, not to be changed by this (``distribution``), or the row's label
    (``co_annotation``). The term is -sum q log p' of classes, the binary cross-entropy of several
    labels, and (q - y')^2 of numbers: of a relation of 0 and 1 the other task's own loss.

    Args:
        match: with its relations.
        tasks: of the stage.
    """

    def __init__(self, match: Match, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.match = match
        self.relations = relations_of(match, tasks)

    def forward(self, read: Read) -> list[Tensor]:
        terms = [torch.zeros(len(labels), device=labels.device) for labels in read.labels]
        for one in self.relations:
            said = read.heads[one.other](read.features[one.task])
            terms[one.task] = terms[one.task] + self._term(one, read, said)
        return [self.match.weight * term for term in terms]

    def _term(self, one: Relation, read: Read, said: Tensor) -> Tensor:
        """Return the term of the rows of the relation's task, (rows,).

        Args:
            said: the other head's logits of these rows, (rows, outputs).
        """
        own, labels, kind = read.logits[one.task], read.labels[one.task], read.kinds[one.other]
        if self.match.name == "co_annotation":
            label = one_hot(labels.long(), own.shape[1]).float()
        else:
            label = own.detach().float().softmax(dim=1)
        expected = label @ torch.tensor(one.given, device=said.device)
        if isinstance(kind, Classification):  # without its weights of classes, smoothing and focus
            return cross_entropy(said.float(), expected, reduction="none")
        return kind.losses(said, expected)
