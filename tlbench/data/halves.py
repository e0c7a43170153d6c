"""Splits a task's dev rows in two halves, for cross-fitted selection."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


def in_second_half(rows: NDArray[np.int64], task: str, seed: int) -> NDArray[np.bool_]:
    """Return which rows are in the second half, (rows,); of an odd number the first has one more.

    Rows are sorted by a hash, and the first of them are the first half: the order in which rows
    are given does not matter, nor that of the file, which may be sorted by label or by text.

    Args:
        rows: distinct row numbers, (rows,).
        task: its name, so that two tasks' rows of one number are split each in its own way.
        seed: of the training, so that over seeds no split is the only one.
    """
    order = sorted(range(len(rows)), key=lambda place: _hash(int(rows[place]), task, seed))
    second = np.zeros(len(rows), dtype=np.bool_)
    second[order[(len(rows) + 1) // 2 :]] = True
    return second


def _hash(row: int, task: str, seed: int) -> bytes:
    return blake2b(f"{seed} {task} {row}".encode(), digest_size=16).digest()
