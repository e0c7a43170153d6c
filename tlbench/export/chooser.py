"""A finished model that says which of a row's choices is right."""

from typing import Any

from tlbench.errors import UserError
from tlbench.export.model import TextClassifier
from tlbench.export.predictor import Floats, Texts
from tlbench.tasks.kinds import kind_of


class Chooser(TextClassifier):
    """Predicts rows of a context and choices: a classifier of pairs, one for each choice."""

    texts_per_row = 2

    def logits(self, texts: Texts) -> Floats:
        """Return the head's number for each choice, (rows, choices).

        Raises:
            UserError: if a row is no context with as many choices as the task has.
        """
        number = kind_of(self.task).outputs
        rows: list[Any] = list(texts)
        for row in rows:
            is_pair = isinstance(row, list | tuple) and len(row) == 2
            if not is_pair or isinstance(row[1], str) or len(row[1]) != number:
                raise UserError(
                    f"Give a context and a list of {number} choices for each row, as "
                    f"'{self.task.name}' has."
                )
        pairs = [(context, choice) for context, choices in rows for choice in choices]
        return super().logits(pairs).reshape(len(rows), number)
