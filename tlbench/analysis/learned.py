"""What a record's last stage says: how its target learned, its labels, and how gradients lay."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def as_words(curve: Mapping[str, Any] | None, task: str) -> str:
    """Return a task's curve in a cell of a table: ``250:0.531 500:0.622* 750:0.621``.

    The star is at the step that was chosen; what is not defined is ``nan``.

    Args:
        curve: of a stage, see ``tlbench.records.curve``; None of an older record.
    """
    if curve is None or task not in curve["scores"]:
        return ""
    points = zip(curve["steps"], curve["scores"][task], strict=True)
    chosen = curve["chosen"].get(task)
    return " ".join(
        f"{step}:{'nan' if score is None else score}{'*' if step == chosen else ''}"
        for step, score in points
    )


def from_words(words: str) -> tuple[Array, Array, int]:
    """Return the steps of a curve, its scores with NaN where not defined, and the chosen step.

    Args:
        words: as ``as_words`` gives them. The chosen step is 0 where it says none.
    """
    points = [word.rstrip("*").split(":") for word in words.split()]
    chosen = [int(word.split(":")[0]) for word in words.split() if word.endswith("*")]
    steps, scores = (np.array([point[at] for point in points], float) for at in (0, 1))
    return steps, scores, chosen[0] if chosen else 0


def label_entropy(counts: Mapping[str, float]) -> float:
    """Return the entropy of labels over that of as many classes of the same size.

    Args:
        counts: by class, how many rows have it; empty where that is not known.

    Returns:
        A number from 0 to 1; NaN without two classes.
    """
    numbers = np.array([*counts.values()], float)
    if len(numbers) < 2 or not numbers.sum():
        return float("nan")
    shares = numbers[numbers > 0] / numbers.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(numbers)))


def cosines_as_words(epochs: Sequence[Mapping[str, float]] | None) -> str:
    """Return the mean over epochs of the cosines between tasks' gradients: ``mnli+rte:0.0123``.

    Args:
        epochs: of a stage, by pair; None of one whose method has no gradients of tasks.
    """
    by_pair: dict[str, list[float]] = {}
    for epoch in epochs or ():
        for pair, cosine in epoch.items():
            by_pair.setdefault(pair, []).append(cosine)
    return " ".join(f"{pair}:{np.mean(each):.4f}" for pair, each in by_pair.items())


def cosines_from_words(words: str) -> dict[frozenset[str], float]:
    """Return the cosines of pairs, each a set of two tasks, that ``cosines_as_words`` gave."""
    pairs = (word.rsplit(":", 1) for word in words.split())
    return {frozenset(pair.split("+")): float(cosine) for pair, cosine in pairs}
