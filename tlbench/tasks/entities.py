"""Entities in tags, as seqeval and the CoNLL shared tasks count them: IOB2, read leniently.

``B-PER I-PER O`` has one entity of two words. An ``I-`` that goes on with nothing (behind ``O``, or
an entity of another type) begins one, as in ``conlleval`` (Tjong Kim Sang and De Meulder 2003) and
in seqeval's ``f1_score`` (Nakayama 2018) without a mode. Numbers alone, no torch: reports ask too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
OUTSIDE = "O"


@dataclass(frozen=True)
class Tags:
    """What a task's tags stand for.

    Attributes:
        begins: whether an entity begins at a word with the tag, whatever was before it, (tags,).
        types: of an entity, a number from 1; 0 for outside, (tags,).
    """

    begins: NDArray[np.bool_]
    types: Ints

    @classmethod
    @cache
    def of(cls, names: tuple[str, ...]) -> "Tags":
        """Return what tags of these names stand for; see ``wrong_tag``."""
        kinds = sorted({name[2:] for name in names if name != OUTSIDE})
        types = [0 if name == OUTSIDE else 1 + kinds.index(name[2:]) for name in names]
        return cls(np.array([name.startswith("B-") for name in names]), np.array(types, np.int64))


def wrong_tag(names: Sequence[str]) -> str | None:
    """Return the first name that is not ``O``, nor ``B-`` or ``I-`` with a type; None if none."""
    return next(
        (n for n in names if n != OUTSIDE and (n[:2] not in ("B-", "I-") or not n[2:])), None
    )


def counts(tags: Tags, labels: NDArray[Any], predictions: NDArray[Any]) -> Ints:
    """Return of every row how many entities it has, is given, and is rightly given, (rows, 3).

    Args:
        labels, predictions: places of tags, (rows, words); below 0 is outside of all entities.
    """
    true, said = (_spans(tags, values.astype(np.int64)) for values in (labels, predictions))
    same = (true.starts & said.starts) & (true.ends == said.ends) & (true.types == said.types)
    of_rows = [np.asarray(one.sum(axis=1), np.int64) for one in (true.starts, said.starts, same)]
    return np.stack(of_rows, axis=1)


@dataclass(frozen=True)
class _Spans:
    """Where entities are: at which words they begin, and of every such word their end and type."""

    starts: NDArray[np.bool_]
    ends: Ints
    types: Ints


def _spans(tags: Tags, values: Ints) -> _Spans:
    rows, words = values.shape
    inside = values >= 0
    types = np.where(inside, tags.types[values.clip(0)], 0)
    begins = inside & tags.begins[values.clip(0)]
    before = np.concatenate([np.zeros((rows, 1), np.int64), types[:, :-1]], axis=1)
    starts = (types > 0) & (begins | (before != types))
    # A word ends an entity where the next one is outside, or begins another.
    stops = np.ones((rows, words), bool)
    stops[:, :-1] = (types[:, 1:] == 0) | starts[:, 1:]
    places = np.where(stops, np.arange(words), words)
    ends = np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
    return _Spans(starts, ends, types)
