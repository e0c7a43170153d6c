"""One set of rows cut into train, dev and test: seeded, stratified and grouped."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlbench.data.apportionment import apportion
from tlbench.data.readers import Row
from tlbench.errors import UserError

Ints = NDArray[np.int64]
VERSION = 1  # of the draw, in the digest of what is cut
_STRATA = 10  # of a regression: equal parts of its numbers
_NOT_WORDS = re.compile(r"[\W_]+")


def normalised(text: str) -> str:
    """Return a text without what editors change: case, punctuation, and how spaces are written.

    One without letters or digits, such as an emoji, stays what it is but for spaces.
    """
    return _NOT_WORDS.sub(" ", text.casefold()).strip() or text.strip()


@dataclass(frozen=True)
class Division:
    """How a task's rows are cut.

    Attributes:
        fractions: of the rows, by the name of the side that they are cut off to; what remains is
            ``train``.
        seed: of the draw.
        has_classes: whether labels are classes, lists of 0 and 1, or tags of words; else they are
            numbers.
    """

    fractions: Mapping[str, float]
    seed: int
    has_classes: bool

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides, ``train`` first."""
        return ("train", *self.fractions)

    def side_of_rows(self, rows: Iterable[Row]) -> Ints:
        """Return the number of every row's side, (rows,).

        Rows with the same texts up to case and punctuation, or the same ``group``, are on one side.
        First the groups of several rows, the largest first, go each to a side that has room for
        them; then single rows fill every class up to its share, rounded by largest
        remainders. A row of several labels, or tags, counts as one of the rarest of them.

        Raises:
            UserError: if a side gets no rows.
        """
        groups, labels = _groups_and_labels(rows)
        if labels.ndim == 2:
            labels = _rarest(labels)
        classes = labels if self.has_classes else _strata(labels)
        _, classes = np.unique(classes, return_inverse=True)
        rng = np.random.default_rng(self.seed)
        shares = np.array([1 - sum(self.fractions.values()), *self.fractions.values()])
        # What each class still lacks on each side, (classes, sides).
        lacking = _quotas(shares, np.bincount(classes))
        sides = np.full(len(groups), -1)
        _place_groups(groups, classes, lacking, sides, rng)
        _place_single_rows(classes, lacking, sides, rng)
        for side, name in enumerate(self.sides):
            if not (sides == side).any():
                fractions = " and ".join(f"source.{n}={f:g}" for n, f in self.fractions.items())
                raise UserError(
                    f"Change {fractions}: of {len(sides)} rows in {groups.max() + 1} groups of the "
                    f"same text, {name} gets none."
                )
        return sides


def _groups_and_labels(rows: Iterable[Row]) -> tuple[Ints, NDArray[np.float64]]:
    """Return each row's group, numbered from 0, and its label, (rows,) or (rows, labels)."""
    # Each text and each value of the group's column leads to the first row that has it; rows that
    # are linked through others are one group too.
    first: dict[tuple[str, ...], int] = {}
    parents: list[int] = []
    labels: list[Any] = []
    has_words = False

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for number, row in enumerate(rows):
        parents.append(number)
        labels.append(row["label"])
        has_words = "words" in row
        texts = [normalised(row[name]) for name in ("text_a", "text_b") if name in row]
        # In another order choices are the same row.
        links = [("text", *texts, *sorted(map(normalised, row.get("choices", ()))))]
        links += [("group", row["group"])] if "group" in row else []
        for link in links:
            parents[root(number)] = root(first.setdefault(link, number))
    roots = np.array([root(row) for row in range(len(parents))], np.int64)
    _, groups = np.unique(roots, return_inverse=True)
    return groups, _presence(labels) if has_words else np.array(labels, float)


def _presence(tags: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    """Return whether each tag is one of a row's words, (rows, tags), 0 or 1."""
    present = np.zeros((len(tags), 1 + int(max(map(max, tags), default=0))))
    for row, of_row in enumerate(tags):
        present[row, [int(tag) for tag in of_row]] = 1
    return present


def _quotas(shares: NDArray[np.float64], counts: Ints) -> Ints:
    """Return how many rows of each class go to each side, (classes, sides).

    What rounding takes from a side in one class it is owed in the next, so that the sides are of
    their sizes also where all classes are small.
    """
    quotas = np.zeros((len(counts), len(shares)), np.int64)
    owed = np.zeros(len(shares))
    for label, count in enumerate(counts):
        owed += shares * count
        wanted = np.maximum(owed, 0)
        quotas[label] = apportion(wanted / wanted.sum(), int(count))
        owed -= quotas[label]
    return quotas


def _rarest(labels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the number of each row's rarest label; a number of their own of rows without any."""
    counts = np.where(labels > 0, labels.sum(axis=0), np.inf)
    rarest = np.where(labels.any(axis=1), counts.argmin(axis=1), labels.shape[1])
    return np.asarray(rarest, float)


def _strata(labels: NDArray[np.float64]) -> Ints:
    return np.searchsorted(np.quantile(labels, np.arange(1, _STRATA) / _STRATA), labels)


def _place_groups(
    groups: Ints, classes: Ints, lacking: Ints, sides: Ints, rng: np.random.Generator
) -> None:
    """Place the groups of several rows; ``sides`` and ``lacking`` are changed."""
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(groups))[:-1])
    several = [rows for rows in members if len(rows) > 1]
    rng.shuffle(several)
    for rows in sorted(several, key=len, reverse=True):
        counts = np.bincount(classes[rows], minlength=len(lacking))[:, None]
        side = _side_of_group(counts, lacking, rng)
        sides[rows] = side
        lacking[:, side] -= counts[:, 0]


def _side_of_group(counts: Ints, lacking: Ints, rng: np.random.Generator) -> int:
    """Return a side that has room for a group, by chance in proportion to the room.

    So that what stands there twice is as frequent on every side. If no side has room, it is the one
    that is left the fullest by it.
    """
    has_room = (counts <= lacking).all(axis=0)
    room = (counts * np.maximum(lacking, 0)).sum(axis=0) * has_room
    if room.any():
        return int(rng.choice(len(room), p=room / room.sum()))
    # What the squares of all that lacks would lose, if the group went to a side.
    return int(np.argmax((counts * (2 * lacking - counts)).sum(axis=0)))


def _place_single_rows(classes: Ints, lacking: Ints, sides: Ints, rng: np.random.Generator) -> None:
    for label, lacks in enumerate(lacking):
        rows = np.flatnonzero((classes == label) & (sides < 0))
        if len(rows):
            wanted = np.maximum(lacks, 0)
            counts = apportion(wanted / wanted.sum(), len(rows))
            sides[rng.permutation(rows)] = np.repeat(np.arange(len(counts)), counts)
