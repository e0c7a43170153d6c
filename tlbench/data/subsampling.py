"""How many rows of a task are used, and which: counts, fractions, multiples; nested draws."""

import re
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tlbench.errors import UserError

HELD_OUT = 10  # one row in ten of the subset selects under selection=held_out


def count_rows(size: Any, available: int, task: str, key: str, target: int | None = None) -> int:
    """Return how many of ``available`` rows a value of ``subsample_size`` requests.

    Args:
        size: None for all; an int is a count; a float or ``"1/3"`` a fraction up to 1; ``"2x"``
            or ``"1/3x"`` a multiple of ``target``.
        available: rows that the task has.
        task: its name.
        key: of the config, for messages.
        target: the target task's count, None where a multiple makes no sense.

    Raises:
        UserError: naming ``key``, if the size can't be parsed, is more than there is or is nothing.
    """
    count = available if size is None else _parse_size(size, available, task, key, target)
    if count > available:
        raise UserError(
            f"Change {key}: {size} asks for {count} rows and task '{task}' has {available}."
        )
    if count < 1:
        raise UserError(f"Change {key}: {size} is not a row of task '{task}'.")
    return count


def _parse_size(size: Any, available: int, task: str, key: str, target: int | None) -> int:
    if isinstance(size, int) and not isinstance(size, bool):
        return size
    # Parsed as a fraction, so that "1/3" and "0.1" are exact, whatever they are multiplied by.
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:/\d+)?)(x?)", str(size))
    try:
        number = Fraction(match[1]) if match else None
    except (ValueError, ZeroDivisionError):
        number = None
    if number is None or match is None:
        raise UserError(
            f"Change {key}: '{size}' is none of null, a count, a fraction up to 1.0, or 2x."
        )
    if match[2] and target is None:
        raise UserError(
            f"Change {key}: '{size}' is a multiple of the target's size, only for the support task."
        )
    if match[2]:
        return round(number * (target or 0))
    if number > 1:
        raise UserError(f"Change {key}: the fraction {size} of task '{task}' is more than 1.0.")
    return round(number * available)


def draw(count: int, available: int, seed: int, skip: int = 0) -> NDArray[np.int64]:
    """Return ``count`` distinct row numbers below ``available``, in the order of drawing.

    Nested: a smaller draw with the same seed is the beginning of a larger one, so that sizes are
    compared on the same rows.

    Args:
        skip: how many are drawn before, by whoever has those.
    """
    # A permutation of all, however few are drawn: that is what makes draws nested.
    return np.random.default_rng([seed, available]).permutation(available)[skip : skip + count]


def hold_out(drawn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split a draw into (rows that train, rows that select); nested as the draw is."""
    # Every tenth row and not the last tenth: so what selects in a smaller draw selects in a larger.
    held_out = np.arange(len(drawn)) % HELD_OUT == HELD_OUT - 1
    return drawn[~held_out], drawn[held_out]
