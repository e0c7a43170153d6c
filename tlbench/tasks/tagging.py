"""Tasks whose rows are words, each with a label: named entities, parts of speech, chunks."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.errors import UserError
from tlbench.tasks import ragged
from tlbench.tasks.base import Label, Metric, TaskKind, ToLabel, unknown_label
from tlbench.tasks.entities import Tags, wrong_tag
from tlbench.tasks.tag_metrics import ENTITY_METRICS, TAG_METRICS, row_counts

if TYPE_CHECKING:
    from torch import Tensor


class Tagging(TaskKind):
    """One of the task's ``labels`` for each word of a row.

    A head reads the first token of each word (Devlin et al. 2019, section 5.3). The loss of a row
    is the mean over its words of the cross-entropy: a sum would give a task of long rows the batch,
    and the mean is log k of logits of 0, as that of a classification in k. A word without a token,
    as it lies beyond ``encoder.max_length`` or has nothing that the tokenizer knows, is not
    predicted: no part of the loss, wrong in every metric, and outside of all entities.

    Entities are counted as by seqeval: ``tlbench.tasks.entities``.
    """

    shared_head: ClassVar[str] = "tags"
    reads_words: ClassVar[bool] = True
    label_length = -1
    metrics: ClassVar[Mapping[str, Metric]] = TAG_METRICS

    def check(self) -> None:
        super().check()
        where = f"of task '{self.task.name}'"
        if self.outputs < 2:
            raise UserError(f"Change labels {where}: give two or more tags.")
        if len(self.task.source.text) > 1 or self.task.source.template is not None:
            raise UserError(
                f"Change source.{'template' if self.task.source.template else 'text'} {where}: "
                "name the one column that holds a row's words."
            )
        if self.task.more_metrics:
            raise UserError(
                f"Leave out more_metrics {where}: its metrics count entities and words."
            )
        of_entities = [name for name in self.task.metrics if name in ENTITY_METRICS]
        wrong = wrong_tag(self.task.labels or [])
        if of_entities and wrong is not None:
            raise UserError(
                f"Change metrics {where} to [accuracy], or its labels: {of_entities[0]} needs O, "
                f"B-TYPE and I-TYPE, and '{wrong}' is none of them."
            )

    @property
    def outputs(self) -> int:
        return len(self.task.labels or [])

    def labeller(self) -> ToLabel:
        """Return what turns a list of tags into a list of their places among the labels."""
        written = [str(value) for value in self.task.source.values or self.task.labels or []]
        places = {name: float(place) for place, name in enumerate(written)}

        def to_places(raw: Any, where: str) -> Label:
            if not isinstance(raw, list | tuple):
                raise UserError(
                    f"Change source.label of task '{self.task.name}': {where} has "
                    f"'{str(raw)[:40]}' where a list of tags belongs, one for each word."
                )
            names = [str(tag).strip() if self.task.source.strip else str(tag) for tag in raw]
            for name in names:
                if name not in places:
                    raise unknown_label(self.task, name, written, where)
            return [places[name] for name in names]

        return to_places

    def label_tensor(self, labels: Sequence[Label]) -> "Tensor":
        """Return places of tags, (rows, words of the longest row); ``ragged.NONE`` beyond a row."""
        return ragged.padded_tensor(labels, ragged.NONE).float()  # type: ignore[arg-type]

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        from torch.nn.functional import cross_entropy

        counted = (labels >= 0) & ~_is_unread(logits)
        # Filled before the cross-entropy, which of -inf alone is no number, nor its gradient.
        numbers = logits.float().masked_fill(~counted[..., None], 0.0)
        tags = labels.long().clamp(min=0)
        of_words = cross_entropy(numbers.flatten(0, 1), tags.flatten(), reduction="none")
        of_rows = (of_words.view_as(tags) * counted).sum(dim=1)
        return of_rows / counted.sum(dim=1).clamp(min=1)

    def predict(self, logits: "Tensor") -> "Tensor":
        """Return the tag of each word, (rows, words); ``ragged.NONE`` where no head has read."""
        tags = logits.argmax(dim=-1).double()
        return tags.masked_fill(_is_unread(logits), ragged.NONE)

    def of_heads(self, values: "Tensor") -> "Tensor":
        return values[~_is_unread(values)] if values.ndim == 3 else values[values >= 0]

    def row_counts(self, predictions: "Tensor", labels: "Tensor") -> "Tensor":
        import torch

        names = tuple(self.task.labels or ())
        tags = Tags.of(names) if wrong_tag(names) is None else None
        if predictions.ndim == 1:  # one tag for all words of a row
            predictions = predictions[:, None].expand_as(labels)
        return torch.from_numpy(row_counts(tags, predictions.numpy(), labels.numpy()))

    def for_metrics(self, said: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """Return the counts of every row, (rows, 6), and its labels."""
        return self.row_counts(said, labels), labels

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the tag, a scalar, that is best for the score if all words get it."""
        names = [name for name in self.task.score if name in self.metrics] or ["accuracy"]

        def score(tag: int) -> float:
            counts = self.row_counts(labels.new_full((len(labels),), tag), labels)
            values = (self.metrics[name].compute(counts, labels, self.outputs) for name in names)
            mean = sum(map(float, values)) / len(names)
            return -math.inf if math.isnan(mean) else mean

        return labels.new_tensor(float(max(range(self.outputs), key=score)))


def _is_unread(logits: "Tensor") -> "Tensor":
    """Return of which words, (rows, words), all logits, (rows, words, outputs), are -inf."""
    return (logits == float("-inf")).all(dim=-1)
