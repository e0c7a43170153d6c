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
    """Return the share of each task in the instances of the first epoch, (tasks,); sums to 1.

    ``size``: p ~ N; ``uniform``: p = 1/K; ``temperature``: p ~ min(N, cap)^(1/T)
    (Raffel et al. 2020, section 3.5.2); ``annealed`` and ``dynamic`` begin with ``size``.

    Args:
        rule: one of these.
        sizes: N, the rows of each task, (tasks,).
        temperature: T; None: 1.
        cap: the most rows that count, "artificial dataset size limit" in the paper; None: no cap.
    """
    # These two change the shares later; the first epoch gives all epochs their length.
    if rule in _BY_SIZE_FIRST:
        rule = "size"
    weights: dict[str, Callable[[], Floats]] = {
        "uniform": lambda: np.ones(len(sizes)),
        "size": lambda: sizes.astype(np.float64),
        "temperature": lambda: _tempered(sizes, temperature or 1, cap or np.inf),
    }
    return _normalize(weights[rule]())


def _tempered(sizes: Ints, temperature: float, cap: float) -> Floats:
    capped = np.minimum(sizes, cap)
    # Divided by the largest first: with T < 1 a size's own power would overflow.
    return np.asarray((capped / capped.max()) ** (1 / temperature))


def annealed(sizes: Ints, epoch: int, epochs: int) -> Floats:
    """Return the shares of an epoch, (tasks,): by size in the first, near uniform in the last.

    p ~ N^a with a = 1 - 0.8 e/(E - 1) (Stickland and Murray 2019, section 4.1).

    Args:
        sizes: N, the rows of each task, (tasks,).
        epoch: e, from 0.
        epochs: E.
    """
    power = 1 - 0.8 * epoch / max(1, epochs - 1)
    return _normalize(sizes.astype(np.float64) ** power)


def dynamic(
    mode: str,
    single_task_scores: Floats,
    latest_scores: Floats,
    sizes: Ints,
    temperature: float | None = None,
    floor: float = 0.01,
) -> Floats:
    """Return shares, (tasks,), that give more to tasks still far from their single-task score.

    With gap = single-task score - latest score, ``softmax``: p ~ exp(gap / T) (Weller et al. 2022);
    ``gap``: p ~ max(floor, gap) (Gottumukkala et al. 2020); ``gap_x_size``: the same times N.

    Args:
        mode: one of these.
        single_task_scores: each task's score alone, as fractions, (tasks,); one that is undefined
            counts as 0.
        latest_scores: of the latest evaluation of the training, likewise.
        sizes: N, the rows of each task, (tasks,).
        temperature: T of ``softmax``; None: 1.
        floor: the least gap, so that no task is left out.
    """
    gap = np.nan_to_num(single_task_scores) - np.nan_to_num(latest_scores)
    if mode == "softmax":
        scaled = gap / (temperature or 1)
        return _normalize(np.exp(scaled - scaled.max()))  # the largest power is 1: no overflow
    gap = np.maximum(floor, gap)
    return _normalize(gap * sizes if mode == "gap_x_size" else gap)


def _normalize(weights: Floats) -> Floats:
    return np.asarray(weights / weights.sum(), dtype=np.float64)
