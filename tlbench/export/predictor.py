"""What predicts texts: one model, or the mean of several."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.entities import OUTSIDE
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.multilabel import Multilabel

Words = Sequence[Sequence[str]]
Choices = Sequence[tuple[str, Sequence[str]]]  # a context each, and what may come after it
Texts = Sequence[str] | Sequence[tuple[str, str]] | Words | Choices
Floats = NDArray[np.float64]
UNREAD = "_"  # CoNLL-U's for what is not given


class Predictor(ABC):
    """Predicts labels, or numbers, of texts or pairs of texts, or of the words of rows.

    Attributes:
        task: its definition.
    """

    def __init__(self, task: Task) -> None:
        self.task = task

    @property
    def labels(self) -> list[str] | None:
        """The classes; None of a regression."""
        return self.task.labels

    @abstractmethod
    def scores(self, texts: Texts) -> Floats:
        """Return the probability of every label, (rows, labels), or numbers, (rows, 1).

        Of words (rows, words of the longest, labels), NaN where there is none or it is not read.
        """

    def predict(self, texts: Texts) -> list[str] | list[list[str]] | list[float]:
        """Return a label for every row, a list of them of a multilabel task, or a number.

        Args:
            texts: one a row, or two where the task has pairs; of a tagging task a list of words; of
                one of multiple choice a context and a list of choices.

        Raises:
            UserError: if there is one text where the task has two, or the other way round.
        """
        scores = self.scores(texts)
        if self.labels is None:
            return [float(number) for number in scores[:, 0]]
        if kind_of(self.task).reads_words:
            return [self.tags_of(s[: len(row)]) for s, row in zip(scores, texts, strict=True)]
        return self.labels_of(scores)

    def tags_of(self, probabilities: Floats) -> list[str]:
        """Return the tags of a row's words with these probabilities, (words, labels).

        A word that is not read, as it lies beyond ``max_length``, is ``O``, or ``_`` where the task
        has no such tag.
        """
        names = self.labels or []
        unread = OUTSIDE if OUTSIDE in names else UNREAD
        return [unread if np.isnan(p).any() else names[int(p.argmax())] for p in probabilities]

    def labels_of(self, probabilities: Floats) -> list[str] | list[list[str]]:
        """Return by row the label, or all that it has, with probabilities (rows, labels)."""
        names, kind = self.labels or [], kind_of(self.task)
        if isinstance(kind, Multilabel):
            has = probabilities >= kind.threshold
            return [[names[at] for at in np.flatnonzero(row)] for row in has]
        return [names[best] for best in probabilities.argmax(axis=1)]

    def probabilities(self, texts: Texts) -> Floats:
        """Return the probability of every label, (rows, labels).

        Raises:
            UserError: as ``predict``, and of a regression, which has none.
        """
        if self.labels is None:
            raise UserError(f"Use predict: '{self.task.name}' is a regression, without labels.")
        return self.scores(texts)


class Ensemble(Predictor):
    """The mean of the probabilities, or numbers, of models of one task, and of their thresholds.

    Attributes:
        members: the models.
        seeds: theirs, in the same order.
    """

    def __init__(self, members: Sequence[Predictor], seeds: Sequence[int]) -> None:
        super().__init__(_with_mean_threshold([one.task for one in members]))
        self.members, self.seeds = list(members), list(seeds)

    def scores(self, texts: Texts) -> Floats:
        """Return the means, (rows, labels), or (rows, 1) of a regression."""
        return np.asarray(np.mean([member.scores(texts) for member in self.members], axis=0))


def _with_mean_threshold(tasks: Sequence[Task]) -> Task:
    """Return a task of several models; each may have a threshold that held-out rows chose."""
    thresholds = [one.threshold for one in tasks if one.threshold != "held_out"]
    return (
        replace(tasks[0], threshold=sum(thresholds) / len(thresholds)) if thresholds else tasks[0]
    )
