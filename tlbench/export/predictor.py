"""What predicts texts: one model, or the mean of several."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tlbench.config.schema import Task
from tlbench.errors import UserError

Texts = Sequence[str] | Sequence[tuple[str, str]]
Floats = NDArray[np.float64]


class Predictor(ABC):
    """Predicts labels, or numbers, of texts or pairs of texts.

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
        """Return the probability of every label, (rows, labels), or numbers, (rows, 1)."""

    def predict(self, texts: Texts) -> list[str] | list[float]:
        """Return a label for every row, or a number of a regression.

        Args:
            texts: one a row, or two where the task has pairs.

        Raises:
            UserError: if there is one text where the task has two, or the other way round.
        """
        scores = self.scores(texts)
        if self.labels is None:
            return [float(number) for number in scores[:, 0]]
        return [self.labels[best] for best in scores.argmax(axis=1)]

    def probabilities(self, texts: Texts) -> Floats:
        """Return the probability of every label, (rows, labels).

        Raises:
            UserError: as ``predict``, and of a regression, which has none.
        """
        if self.labels is None:
            raise UserError(f"Use predict: '{self.task.name}' is a regression, without labels.")
        return self.scores(texts)


class Ensemble(Predictor):
    """The mean of the probabilities, or numbers, of models of one task.

    Attributes:
        members: the models.
        seeds: theirs, in the same order.
    """

    def __init__(self, members: Sequence[Predictor], seeds: Sequence[int]) -> None:
        super().__init__(members[0].task)
        self.members, self.seeds = list(members), list(seeds)

    def scores(self, texts: Texts) -> Floats:
        """Return the means, (rows, labels), or (rows, 1) of a regression."""
        return np.asarray(np.mean([member.scores(texts) for member in self.members], axis=0))
