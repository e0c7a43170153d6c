"""What it would have cost in finished studies to try only the supports that a predictor likes."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from tlbench.analysis.collect import done
from tlbench.records.definitions import ALL, BASELINE, NONE

LEVEL = 0.9
RANDOM = "any support"


@dataclass(frozen=True)
class Regret:
    """Of one predictor, on all targets that it was asked about; in fractions of a score.

    Attributes:
        kept: how many supports are tried, those that it likes most; skipped: how many are not.
        mean: over targets, of the best candidate's score minus that of the best that is tried.
        low, high: its interval over targets; of one target over the seeds that judge it.
        targets: how many.
    """

    predictor: str
    kept: int
    skipped: int
    mean: float
    low: float
    high: float
    targets: int


def regrets(
    table: pd.DataFrame, predicted: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[Regret]:
    """Return the regret of every predictor, and of trying any supports, by how many are tried.

    Which candidate is best is chosen by all seeds but one, and judged by that one, in turn: for
    what all of them are compared with as for what is tried.

    Args:
        table: records of finished studies, as ``collect`` gives them.
        predicted: by predictor and target the number of each support, larger for more promising.
    """
    found = []
    by_target = dict(_by_target(table))
    most = max((len(_supports(scores)) for scores in by_target.values()), default=1)
    for count in range(1, most):
        for name, of_targets in predicted.items():
            lost = [
                _lost(scores, _best(of_targets[target], _supports(scores), count))
                for target, scores in by_target.items()
                if set(_supports(scores)) <= set(of_targets.get(target, ()))
                and len(_supports(scores)) > count
            ]
            found += [_summary(name, count, most - count, lost)] if lost else []
        chance = [
            np.mean([_lost(scores, tried) for tried in combinations(supports, count)], axis=0)
            for scores in by_target.values()
            if len(supports := _supports(scores)) > count
        ]
        found += [_summary(RANDOM, count, most - count, chance)] if chance else []
    return found


def _by_target(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield every target with the scores of candidates that have all of its seeds.

    They are seeds by candidates, whose keys are strategy, method and support.
    """
    scored = done(table)
    single = scored[(scored.strategy == BASELINE) | ~scored.support.isin([NONE, ALL])]
    for (target, _), part in single.groupby(["target", "target_rows"], sort=False):
        scores = part.pivot_table(
            index="seed", columns=["strategy", "method", "support"], values="score"
        ).dropna(axis="columns")
        if len(scores) > 1 and len(_supports(scores)) > 1:
            yield str(target), scores


def _supports(scores: pd.DataFrame) -> list[str]:
    return sorted({key[2] for key in scores.columns if key[0] != BASELINE})


def _best(numbers: Mapping[str, float], supports: Sequence[str], count: int) -> list[str]:
    return sorted(supports, key=lambda name: -numbers[name])[:count]


def _lost(scores: pd.DataFrame, tried: Collection[str]) -> np.ndarray:
    """Return what is lost by trying only some supports, by the seed that judges it."""
    values = scores.to_numpy()
    seeds = np.arange(len(values))
    is_tried = np.array([key[0] == BASELINE or key[2] in tried for key in scores.columns])
    lost = []
    for seed in seeds:
        means = values[seeds != seed].mean(axis=0)
        best, chosen = means.argmax(), np.where(is_tried, means, -np.inf).argmax()
        lost.append(values[seed, best] - values[seed, chosen])
    return np.array(lost)


def _summary(name: str, kept: int, skipped: int, lost: Sequence[np.ndarray]) -> Regret:
    sample = np.array([of_target.mean() for of_target in lost]) if len(lost) > 1 else lost[0]
    quantile = stats.t.ppf((1 + LEVEL) / 2, len(sample) - 1)
    half = float(quantile * sample.std(ddof=1) / np.sqrt(len(sample)))
    mean = float(sample.mean())
    return Regret(name, kept, skipped, mean, mean - half, mean + half, len(lost))
