"""Worlds like those of a finished study, in which a race can be run without training.

For each target of the study: true scores drawn from what its scores leave possible (empirical
Bayes), and any number of seeds around them, under one of several kinds of noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.candidates import CANDIDATE, Runs
from tlbench.analysis.collect import collect, done
from tlbench.analysis.row_vectors import SIZE

STUDY = Path(__file__).parents[1] / "notebooks" / "glue_cpu" / "records.parquet"
NOISES = ("normal", "unequal", "collapsing", "shared rows")
SEEDS = 12  # of every candidate, more than any rule asks for
COLLAPSES = 0.1  # how often a run does, in ``collapsing``
ROW_ERROR = 0.012  # of a candidate on 1,000 rows of dev, which its seeds share, in ``shared rows``

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A target of the study: its candidates and their scores.

    Attributes:
        keys: ``single`` the first, then by strategy and support.
        scores: (candidates, seeds).
    """

    name: str
    rows: int
    keys: tuple[tuple[str, str, str, int], ...]
    scores: Array


@dataclass(frozen=True)
class World:
    """One way that things may be for a target.

    Attributes:
        truth: true scores, (candidates,), fractions; the best is what a rule should have chosen.
        scores: what seeds would show of them, (candidates, seeds).
        collapsed: which of these are of a run that learned nothing.
        floor: the score of such a run; NaN where there is none.
    """

    target: Target
    truth: Array
    scores: Array
    collapsed: NDArray[np.bool_]
    floor: float

    def runs(self, seeds: NDArray[np.int64]) -> list[Runs]:
        """Return the candidates with so many seeds each, (candidates,)."""
        return [
            Runs(
                key=key,
                scores=self.scores[at, : seeds[at]],
                vectors=[None] * int(seeds[at]),
                without_score=0,
                collapsed=self.collapsed[at, : seeds[at]],
                majority=self.floor,
                cost=np.nan,
                metric="accuracy",
            )
            for at, key in enumerate(self.target.keys)
        ]

    def regret(self, chosen: int) -> float:
        """Return how much the chosen one's true score is below the best, in points."""
        return float(100 * (self.truth.max() - self.truth[chosen]))


def targets(study: Path = STUDY) -> list[Target]:
    """Return the targets of a study whose candidates have as many seeds as each other."""
    table = done(collect([study]).table)
    table = table[table.strategy.isin(("single", "stilts", "mtl"))]
    return [_target(name, int(rows), part) for (name, rows), part in table.groupby(SIZE)]


def _target(name: str, rows: int, table: pd.DataFrame) -> Target:
    groups = {key: part.sort_values("seed").score for key, part in table.groupby(CANDIDATE)}
    order = ("single", "stilts", "mtl")
    keys = sorted(groups, key=lambda key: (order.index(key[0]), key[2]))
    return Target(name, rows, tuple(keys), np.array([groups[key].to_numpy(float) for key in keys]))


def worlds(of: list[Target], noise: str, count: int) -> Iterator[World]:
    """Yield so many worlds of every target, the same ones at every call."""
    for number in range(count):
        for place, target in enumerate(of):
            random = np.random.default_rng([NOISES.index(noise), number, place])
            yield _world(target, noise, random)


def _world(target: Target, noise: str, random: np.random.Generator) -> World:
    means, variances = target.scores.mean(axis=1), target.scores.var(axis=1, ddof=1)
    count, seeds = target.scores.shape
    pooled = float(variances.mean())
    error = pooled / seeds
    between = max(float(means.var(ddof=1)) - error, 0.1 * error)
    kept = between / (between + error)
    truth = means.mean() + kept * (means - means.mean())
    truth = truth + np.sqrt(kept * error) * random.normal(size=count)
    spreads = np.full(count, np.sqrt(pooled))
    if noise == "unequal":
        spreads = np.sqrt(variances).clip(0.2 * np.sqrt(pooled))
    draws = random.normal(size=(count, SEEDS))
    shared = ROW_ERROR * random.normal(size=(count, 1)) * (noise == "shared rows")
    if noise != "collapsing":
        scores = truth[:, None] + spreads[:, None] * draws + shared
        return World(target, truth, scores, np.zeros_like(scores, bool), np.nan)
    floor = float(truth.min() - 3 * np.sqrt(pooled))
    learned = (truth - COLLAPSES * floor) / (1 - COLLAPSES)
    collapsed = random.random((count, SEEDS)) < COLLAPSES
    scores = np.where(collapsed, floor, learned[:, None] + 0.6 * spreads[:, None] * draws)
    return World(target, truth, scores, collapsed, floor)
