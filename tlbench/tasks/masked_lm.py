"""Tasks of texts alone: which tokens have been masked."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from tlbench.errors import UserError
from tlbench.tasks import ragged
from tlbench.tasks.base import Label, Metric, TaskKind, ToLabel

if TYPE_CHECKING:
    from torch import Tensor


def _accuracy(tokens: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return of all masked tokens, of all rows together, the part that is right."""
    there = labels >= 0
    return (tokens == labels)[there].double().mean()


def _log_loss(probabilities: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
    """Return the mean over masked tokens of -log p, with p of (rows, tokens) or (rows, 1).

    As of classifications, no p counts as less than 2^-52.
    """
    import torch

    right = probabilities.double().expand_as(labels)[labels >= 0]
    return -right.clamp(min=torch.finfo(torch.float64).eps).log().mean()


class MaskedLM(TaskKind):
    """Masked language modelling (Devlin et al. 2019, section 3.1), of any texts.

    ``tlbench.data.masking`` masks tokens: of evaluated rows always the same, of trained ones others
    at every step. A row's labels are the tokens that were there, and a head gives two numbers for
    each: the token that it takes for the likeliest, and the log-probability of the right one; so
    what is kept of an evaluation does not grow with the vocabulary. The loss of a row is the mean
    over its masked tokens: a row weighs the same however long it is. A row of which nothing can be
    masked has a loss of 0 and is no part of a metric.
    """

    shared_head: ClassVar[str] = "masked"
    masks: ClassVar[bool] = True
    reads_labels: ClassVar[bool] = False
    own_keys: ClassVar[tuple[str, ...]] = (
        "source.label_columns",
        "source.separator",
        "relabel",
        "cut_as",
    )
    label_length = -1
    metrics: ClassVar[Mapping[str, Metric]] = {
        "accuracy": Metric(_accuracy),
        "log_loss": Metric(_log_loss, of_probabilities=True, less_is_better=True),
    }

    def check(self) -> None:
        super().check()
        if self.task.more_metrics:
            raise UserError(
                f"Leave out more_metrics of task '{self.task.name}': its metrics count tokens."
            )

    @property
    def outputs(self) -> int:
        return 2

    def labeller(self) -> ToLabel:
        """Return what gives any row the label 0; tokenising it makes its labels."""
        return lambda raw, where: 0.0

    def label_tensor(self, labels: Sequence[Label]) -> "Tensor":
        """Return masked tokens' ids, (rows, those of the row with most); ``ragged.NONE`` beyond."""
        return ragged.padded_tensor(labels, ragged.NONE).float()  # type: ignore[arg-type]

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        there = labels >= 0
        of_tokens = -logits[..., 1].float().masked_fill(~there, 0.0)
        return of_tokens.sum(dim=1) / there.sum(dim=1).clamp(min=1)

    def predict(self, logits: "Tensor") -> "Tensor":
        """Return the likeliest tokens, (rows, tokens); ``ragged.NONE`` where none is masked."""
        tokens = logits[..., 0].double()
        return tokens.masked_fill(tokens.isneginf(), ragged.NONE)

    def of_heads(self, values: "Tensor") -> "Tensor":
        return values[~values.isneginf().all(dim=-1)] if values.ndim == 3 else values[values >= 0]

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Return the probability of each right token, (rows, tokens)."""
        return logits[..., 1].double().exp()

    def row_counts(self, predictions: "Tensor", labels: "Tensor") -> "Tensor":
        """Return of every row how many tokens are masked, and how many of them are right."""
        import torch

        if predictions.ndim == 1:  # one token for all
            predictions = predictions[:, None].expand_as(labels)
        there = labels >= 0
        return torch.stack([there.sum(dim=1), (there & (predictions == labels)).sum(dim=1)], dim=1)

    def for_metrics(self, said: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return the same; one prediction of a row is one for each of its tokens."""
        return (said[:, None] if said.ndim == 1 else said), labels

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the commonest token, a scalar."""
        return labels[labels >= 0].mode().values

    def constant_probabilities(self, labels: "Tensor") -> "Tensor":
        """Return what the tokens' own shares give the right ones: their geometric mean, (1,)."""
        counts = labels[labels >= 0].long().bincount()
        shares = counts[counts > 0].double() / counts.sum()
        return (shares * shares.log()).sum(dim=0, keepdim=True).exp()
