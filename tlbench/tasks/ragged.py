"""Rows of different lengths, as labels of words are: padded, and without the padding.

One form all the way, from a batch to what is saved: (rows, words of the longest row), so that rows
are chosen, ordered and halved as those of any other task; only files hold lists of their lengths.
"""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

NONE = -100  # the label of a place without a word, and a word's prediction that no head has made

Floats = NDArray[np.float64]


def padded(lists: pa.ChunkedArray) -> Floats:
    """Return a column of lists of numbers as (rows, length of the longest); ``NONE`` beyond one."""
    lengths = pc.list_value_length(lists).to_numpy()
    flat = pc.list_flatten(lists).to_numpy()
    rows = np.full((len(lengths), lengths.max(initial=0)), float(NONE))
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = flat
    return rows


def padded_tensor(rows: Sequence[Sequence[float]], fill: int) -> "Tensor":
    """Return rows of whole numbers as (rows, length of the longest), in int64."""
    import torch

    lengths = np.array([len(row) for row in rows], np.int64)
    filled = torch.full((len(rows), int(lengths.max(initial=0))), fill)
    there = torch.from_numpy(np.arange(filled.shape[1]) < lengths[:, None])
    filled[there] = torch.tensor([*chain(*rows)], dtype=torch.long)
    return filled


def column(values: NDArray[np.generic], there: NDArray[np.bool_]) -> pa.ListArray:
    """Return padded values, (rows, length), as a column of lists of those that are there."""
    offsets = np.concatenate([[0], there.sum(axis=1).cumsum()])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values[there]))


def widened(logits: "Tensor", width: int | None) -> "Tensor":
    """Return logits of words, (rows, words, outputs), with as many words; None: as they are."""
    import torch

    missing = 0 if width is None else width - logits.shape[1]
    return (
        torch.nn.functional.pad(logits, (0, 0, 0, missing), value=-torch.inf) if missing else logits
    )
