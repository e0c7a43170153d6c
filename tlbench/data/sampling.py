"""How much of an epoch each task gets: the rules of the config group ``sampling``."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BY_SIZE_FIRST = ("annealed", "dynamic")


def proportions(
    rule: str, sizes: Ints, temperature: float | None = None, cap: int | None = None
) -> Floats:
    """The share of each task in the instances of the first epoch; sums to 1.

    ``size``: p ~ N; ``uniform``: p = 1/K; ``temperature``: p ~ min(N, cap)^(1/T)
    (Raffel et al. 2020, section 3.5.2); ``annealed`` and ``dynamic`` begin with ``size``.
    """
    if rule in _BY_SIZE_FIRST:
        rule = "size"
    weights: dict[str, Callable[[], Floats]] = {
        "uniform": lambda: np.ones(len(sizes)),
        "size": lambda: sizes.astype(np.float64),
        "temperature": lambda: _tempered(sizes, temperature or 1, cap or np.inf),
    }
    return _normal(weights[rule]())


def _tempered(sizes: Ints, temperature: float, cap: float) -> Floats:
    capped = np.minimum(sizes, cap)
    return np.asarray((capped / capped.max()) ** (1 / temperature))  # of 1 at most: no overflow


def annealed(sizes: Ints, epoch: int, epochs: int) -> Floats:
    """p ~ N^a with a = 1 - 0.8 e/(E - 1): by size at first, near uniform at last.

    Stickland and Murray 2019, section 4.1.

    Args:
        epoch: e, from 0.
        epochs: E.
    """
    power = 1 - 0.8 * epoch / max(1, epochs - 1)
    return _normal(sizes.astype(np.float64) ** power)


def dynamic(
    mode: str,
    alone: Floats,
    current: Floats,
    sizes: Ints,
    temperature: float | None = None,
    floor: float = 0.01,
) -> Floats:
    """More of the tasks that are still far from what they reach alone.

    ``softmax``: p ~ exp((alone - current) / T) (Weller et al. 2022); ``gap``: p ~
    max(floor, alone - current) (Gottumukkala et al. 2020); ``gap_x_size``: the same times N.

    Args:
        alone, current: scores as fractions, (tasks,); one that is not defined counts as 0.
    """
    gap = np.nan_to_num(alone) - np.nan_to_num(current)
    if mode == "softmax":
        scaled = gap / (temperature or 1)
        return _normal(np.exp(scaled - scaled.max()))
    gap = np.maximum(floor, gap)
    return _normal(gap * sizes if mode == "gap_x_size" else gap)


def _normal(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum(), dtype=np.float64)
