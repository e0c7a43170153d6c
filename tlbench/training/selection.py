"""Which evaluation of a training counts: the best on some rows, or cross-fitted over two halves.

The best of many evaluations is chosen for its luck on the rows that choose, so its score on the
same rows is too high. Cross-fitting (Chernozhukov et al. 2018, Double/debiased machine learning)
reports rows that did not choose: those of each half of dev, by the evaluation that the other half
has chosen.

A metric is computed on each half and averaged over both by their rows, which for a mean over rows
is the metric over all of them. A correlation over all of them would be too low, for two evaluations
need not predict on the same scale: where the mean and the logarithm of the scale differ by 0.1
standard deviations between evaluations, by 0.4 points, and at 0.2 by 1.4 (Pearson's of 0.85, 1,500
rows), where the mean of both halves has no bias.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from tlbench.data.halves import in_second_half
from tlbench.tasks.scores import within

# Of logits (rows, outputs), labels (rows,) and, where there are any, groups of rows: the metrics by
# name, and ``score``.
Evaluate = Callable[..., dict[str, float]]


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

    @property
    def halves(self) -> tuple[Tensor, Tensor]:
        """Which rows are in the first and which in the second half, (rows,) each."""
        return ~self.second, self.second

    def after(
        self,
        step: int,
        logits: Tensor,
        labels: Tensor,
        evaluate: Evaluate,
        groups: Mapping[str, Tensor] | None = None,
    ) -> "CrossFit":
        """Return the selection with one more evaluation.

        Args:
            step: after which step it was made.
            logits: of all rows of dev, (rows, outputs).
            labels: (rows,).
            evaluate: gives the score of any rows; NaN where it is not defined.
            groups: by name which rows are in it, (rows,).
        """

        def choice(half: Tensor, best: HalfChoice | None) -> HalfChoice:
            # Of a dev split of one row the second half has none, and so no opinion.
            of_half = [within(groups, half)] if groups else []
            value = math.nan
            if half.any():
                value = evaluate(logits[half], labels[half], *of_half)["score"]
            if best and not improves(value, best.score):
                return best
            return HalfChoice(ranked(value), step, logits[~half])

        first, second = map(choice, self.halves, self.choices or (None, None))
        return replace(self, choices=(first, second))

    def metrics(
        self, labels: Tensor, evaluate: Evaluate, rows: Tensor | None = None
    ) -> dict[str, float]:
        """Return the cross-fitted metrics and ``score``: of each half, averaged by their rows.

        Args:
            labels: of all rows of dev, (rows,).
            evaluate: as in ``after``.
            rows: of which the metrics are, a mask (rows,); None for all.
        """
        totals: Counter[str] = Counter()
        for half in self.halves:
            part = half if rows is None else half & rows
            if part.any():
                metrics = evaluate(self.logits[part], labels[part])
                totals.update({name: value * int(part.sum()) for name, value in metrics.items()})
        count = len(labels) if rows is None else int(rows.sum())
        return {name: total / count for name, total in totals.items()}

    @property
    def logits(self) -> Tensor:
        """Of all rows, (rows, outputs): each from the evaluation that the other half has chosen."""
        assert self.choices is not None
        by_first, by_second = self.choices
        logits = by_first.logits.new_empty((len(self.second), *by_first.logits.shape[1:]))
        logits[self.second] = by_first.logits
        logits[~self.second] = by_second.logits
        return logits

    @property
    def steps(self) -> list[int]:
        """The steps whose evaluations the first and the second half have chosen."""
        return [choice.step for choice in self.choices or ()]
