"""Planted truths: studies of one target whose candidates' true means are known.

Rows have a difficulty that all runs share, a candidate is good at some rows and bad at others, a
seed shifts a run as a whole, and the rest is chance. Shifts are normal on the probit scale, so that
a candidate's true mean, over rows and seeds, is known exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tlbench.analysis.batches import Key
from tlbench.records.predictions import Saved

CANDIDATES = 12  # the target alone, and eleven others
MEAN = 0.75  # true score of single
DIFFICULTY, TASTE, CHANCE = 1.5, 0.4, 0.5  # spreads on the probit scale
SEED = 0.09  # of a run: about 1.7 points
COLLAPSES = 0.1  # how often a run does, where they do: it then says one of two labels for all rows

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What is planted.

    Attributes:
        gains: true gains of all candidates over single, fractions; the first is single's own 0.
        spreads: draws by how much each one's seeds differ, in units of ``SEED``.
        collapsing: the candidates whose runs collapse now and then; the gains hold nevertheless.
    """

    name: str
    gains: Array
    spreads: Callable[[np.random.Generator], Array]
    collapsing: range = range(0)


def _equal(random: np.random.Generator) -> Array:
    return np.ones(CANDIDATES)


def _lognormal(random: np.random.Generator) -> Array:
    return np.asarray(np.exp(random.normal(0, 0.7, CANDIDATES)))


def _noisy_single(random: np.random.Generator) -> Array:
    return np.array([3.0] + [1.0] * (CANDIDATES - 1))


def gains_of(*better: float) -> Array:
    """Return gains of 0, but for the last candidates."""
    gains = np.zeros(CANDIDATES)
    gains[CANDIDATES - len(better) :] = better
    return gains


def normal_gains(spread: float, random: np.random.Generator) -> Truth:
    """Return a truth of gains that are drawn from a normal distribution, fractions."""
    gains = np.concatenate([[0.0], random.normal(0, spread, CANDIDATES - 1)])
    return Truth(f"gains spread by {100 * spread:g} points", gains, _equal)


NULLS = (
    Truth("no gain, equal spread", gains_of(), _equal),
    Truth("no gain, spreads differ", gains_of(), _lognormal),
    Truth("no gain, single three times as noisy", gains_of(), _noisy_single),
    Truth("no gain, single collapses at times", gains_of(), _equal, range(1)),
    Truth("no gain, all others collapse at times", gains_of(), _equal, range(1, CANDIDATES)),
)
GAINS = (
    Truth("one gains 2 points", gains_of(0.02), _equal),
    Truth("one gains 5 points", gains_of(0.05), _equal),
    Truth("two tie at +5 points", gains_of(0.05, 0.05), _lognormal),
    Truth("all lose 3 points", gains_of(*[-0.03] * (CANDIDATES - 1)), _equal),
)


def study(
    truth: Truth, rows: int, seeds: int, random: np.random.Generator
) -> tuple[pd.DataFrame, dict[int, Saved]]:
    """Return a study's records, as a table, and their predictions."""
    labels = random.integers(2, size=rows).astype(float)
    difficulty = random.normal(0, DIFFICULTY, rows)
    spreads = SEED * truth.spreads(random)
    table: list[dict[str, object]] = []
    predictions: dict[int, Saved] = {}
    for candidate in range(CANDIDATES):
        collapses = candidate in truth.collapsing
        centre = _centre(MEAN + truth.gains[candidate], spreads[candidate], collapses)
        easiness = centre + difficulty + random.normal(0, TASTE, rows)
        for seed in range(seeds):
            shift = spreads[candidate] * random.normal()
            is_right = easiness + shift + random.normal(0, CHANCE, rows) > 0
            said = np.where(is_right, labels, 1 - labels)
            if collapses and random.random() < COLLAPSES:
                said = np.full(rows, float(random.integers(2)))
            is_single = candidate == 0
            predictions[len(table)] = Saved(np.arange(rows, dtype=float), labels, said)
            table.append(
                {
                    "target": "planted",
                    "strategy": "single" if is_single else "stilts",
                    "support": "-" if is_single else f"support{candidate}",
                    "seed": seed,
                    "score": float((said == labels).mean()),
                    "majority_score": 0.5,
                }
            )
    return pd.DataFrame(table), predictions


def number_of(key: Key) -> int:
    """Return the number of a candidate of a planted study; 0 is the target alone."""
    strategy, _, support, _ = key
    return 0 if strategy == "single" else int(support.removeprefix("support"))


def _centre(mean: float, spread: float, collapses: bool) -> float:
    """Return the probit shift at which a candidate's true mean is ``mean``."""
    if collapses:
        mean = (mean - COLLAPSES / 2) / (1 - COLLAPSES)
    total = np.sqrt(DIFFICULTY**2 + TASTE**2 + CHANCE**2 + spread**2)
    return float(total * stats.norm.ppf(mean))
