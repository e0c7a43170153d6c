"""Masks tokens of texts, for masked language modelling (Devlin et al. 2019, section 3.1).

And for consistency between a row and the same one with masked tokens.

In training eight of ten masked tokens are replaced by the mask, one by any other, and one is kept,
so that an encoder does not rely on the mask. In evaluation all are replaced: what is kept would be
right by copying, which an encoder can do before it has learned anything.

What is masked of a row follows from what it is masked for, and the row's number: in training from
(seed, epoch, step), in evaluation from nothing else. So it is the same on one device and on
several, in micro-batches, after an interruption, and in whatever order rows stand in a batch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlbench.errors import UserError
from tlbench.tasks import ragged

VERSION = 1  # of what is masked, in the digest of evaluated rows
RATE = 0.15  # of a row's tokens, special ones not counted
_BY_MASK, _BY_RANDOM = 0.8, 0.1  # of them, in training

Ints = NDArray[np.int64]


class MaskedRows(NamedTuple):
    """Rows some of whose tokens are masked.

    Attributes:
        ids: of each row its tokens, as an encoder gets them.
        places: of each row the places of masked tokens, ascending; of one without any -1.
        labels: of each row the tokens that were at these places; of one without any
            ``ragged.NONE``.
    """

    ids: list[list[int]]
    places: list[list[int]]
    labels: list[list[int]]


class Masking:
    """Masks tokens as a tokenizer has them.

    Args:
        tokenizer: of transformers.

    Raises:
        UserError: if it has no token that masks.
    """

    def __init__(self, tokenizer: Any) -> None:
        if tokenizer.mask_token_id is None:
            raise UserError(
                "Change encoder, or leave out tasks of kind mlm, and mask of consistency tasks: "
                f"its tokenizer ({type(tokenizer).__name__}) has no mask_token."
            )
        self.mask = tokenizer.mask_token_id
        self.special = frozenset(tokenizer.all_special_ids)
        self.ordinary = np.array(sorted({*tokenizer.get_vocab().values()} - self.special))

    def rows(
        self,
        rows: Sequence[Sequence[int]],
        numbers: Sequence[int],
        moment: Sequence[int] = (),
        rate: float = RATE,
    ) -> MaskedRows:
        """Mask tokens of rows.

        Args:
            rows: of each its tokens.
            numbers: of the rows in their split.
            moment: what it is for: seed, epoch and step of a training; none: an evaluation.
            rate: the part of a row's tokens, special ones not counted, but at least one.
        """
        masked = MaskedRows([], [], [])
        for ids, number in zip(rows, numbers, strict=True):
            rng = np.random.default_rng([*moment, int(number)])
            by_mask = _BY_MASK if moment else 1.0
            of_row = self._row(np.array(ids, np.int64), rng, by_mask, rate)
            for column, values in zip(masked, of_row, strict=True):
                column.append(values)
        return masked

    def _row(
        self, ids: Ints, rng: np.random.Generator, by_mask: float, rate: float
    ) -> tuple[list[int], list[int], list[int]]:
        """Return what ``rows`` does, of one row."""
        may_be = [place for place, token in enumerate(ids.tolist()) if token not in self.special]
        if not may_be:
            return ids.tolist(), [-1], [ragged.NONE]
        count = max(1, round(rate * len(may_be)))
        places = np.sort(rng.choice(may_be, count, replace=False))
        labels, chance = ids[places], rng.random(count)
        drawn = self.ordinary[rng.integers(len(self.ordinary), size=count)]
        replaced = np.where(chance < by_mask + _BY_RANDOM, drawn, labels)
        ids[places] = np.where(chance < by_mask, self.mask, replaced)
        return ids.tolist(), places.tolist(), labels.tolist()
