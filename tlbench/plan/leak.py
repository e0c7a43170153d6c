"""Rows that are both scored and trained on, as plans and records have them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Leak:
    """Rows of a split of the target that are among the rows trained on.

    Attributes:
        split: ``dev``, ``dev_<name>`` or ``test``.
        rows: how many of it are scored.
        task: whose train rows they are among.
        exact: how many have the same texts to the letter, pairs in either order.
        normalised: how many have them but for case and punctuation; at least as many.
    """

    split: str
    rows: int
    task: str
    exact: int
    normalised: int

    def __str__(self) -> str:
        to_the_letter = f", {self.exact:,} to the letter" if self.exact < self.normalised else ""
        return (
            f"{self.normalised:,} of {self.rows:,} {self.split} rows are among the train rows of "
            f"{self.task}{to_the_letter}"
        )
