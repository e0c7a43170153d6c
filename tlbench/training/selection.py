"""Which evaluation of a training counts: the best on some rows, or cross-fitted over two halves.

The best of many evaluations is chosen for its luck on the rows that choose, so its score on the
same rows is too high. Cross-fitting (Chernozhukov et al. 2018, Double/debiased machine learning)
reports rows that did not choose: those of each half of dev, by the evaluation that the other half
has chosen.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tlbench.data.halves import in_second_half

Score = Callable[[Tensor, Tensor], float]  # of logits (rows, outputs) and labels (rows,)


def improves(score: float, best: float | None) -> bool:
    """Return whether an evaluation takes the place of the best; of equal ones the earlier stays.

    Args:
        score: of the evaluation, NaN if it is not defined.
        best: of the best one so far, None if there is none: then any is the best.
    """
    return best is None or score > best


def ranked(score: float) -> float:
    """Return the score by which evaluations are compared: one that is undefined is the worst."""
    return -math.inf if math.isnan(score) else score


@dataclass(frozen=True)
class HalfChoice:
    """The evaluation that one half of dev has chosen.

    Attributes:
        score: on this half, as ``ranked`` gives it.
        step: after which step.
        logits: of the rows of the other half, (rows, outputs).
    """

    score: float
    step: int
    logits: Tensor


@dataclass(frozen=True)
class CrossFit:
    """Cross-fitted selection over a task's evaluations; it holds one set of logits, not all.

    Attributes:
        second: which rows of dev are in the second half, (rows,).
        choices: of the first and of the second half; None before the first evaluation.
    """

    second: Tensor
    choices: tuple[HalfChoice, HalfChoice] | None = None

    @classmethod
    def over(cls, rows: Tensor, task: str, seed: int) -> "CrossFit":
        """Return the selection before any evaluation.

        Args:
            rows: row numbers of dev, (rows,).
            task, seed: as in ``in_second_half``.
        """
        return cls(torch.from_numpy(in_second_half(rows.numpy(), task, seed)))

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "CrossFit":
        """Return the selection of which ``dataclasses.asdict`` has made a checkpoint's state."""
        first, second = (HalfChoice(**choice) for choice in state["choices"])
        return cls(state["second"], (first, second))

    def after(self, step: int, logits: Tensor, labels: Tensor, score: Score) -> "CrossFit":
        """Return the selection with one more evaluation.

        Args:
            step: after which step it was made.
            logits: of all rows of dev, (rows, outputs).
            labels: (rows,).
            score: of rows with these logits and labels; NaN where it is not defined.
        """

        def choice(half: Tensor, best: HalfChoice | None) -> HalfChoice:
            # Of a dev split of one row the second half has none, and so no opinion.
            value = score(logits[half], labels[half]) if half.any() else math.nan
            if best and not improves(value, best.score):
                return best
            return HalfChoice(ranked(value), step, logits[~half])

        first, second = self.choices or (None, None)
        return replace(self, choices=(choice(~self.second, first), choice(self.second, second)))

    @property
    def logits(self) -> Tensor:
        """Of all rows, (rows, outputs): each from the evaluation that the other half has chosen."""
        assert self.choices is not None
        by_first, by_second = self.choices
        logits = by_first.logits.new_empty((len(self.second), by_first.logits.shape[1]))
        logits[self.second] = by_first.logits
        logits[~self.second] = by_second.logits
        return logits

    @property
    def steps(self) -> list[int]:
        """The steps whose evaluations the first and the second half have chosen."""
        return [choice.step for choice in self.choices or ()]
