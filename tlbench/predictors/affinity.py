"""What a task would gain from training together with another, predicted without training the pair.

A ridge regression on what is known of both tasks once each was trained alone: their train rows,
their labels, how far and how fast alone training came, and how alike their texts are, after the
idea of Ayman et al. (2023). It is judged by leaving one target out, beside the size rule and the
mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.collect import done
from tlbench.errors import UserError
from tlbench.predictors.pair_features import DEFAULT, FEATURES
from tlbench.predictors.pairs import known_groups
from tlbench.records.definitions import ALL, BASELINE

_PENALTIES = np.geomspace(0.1, 1000, 13)  # of standardised features
_CONSTANT = 1e-9  # a spread of no more than rounding
RULES = ("size_rule", "mean")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Error:
    """How good predictions of pairs are whose target was left out.

    Attributes:
        absolute: the mean absolute error, a fraction of a score.
        explained: the share of the variance of gains that they explain; below 0 the mean is better.
        right_side: how often they say rightly whether there is a gain.
    """

    predictor: str
    pairs: int
    absolute: float
    explained: float
    right_side: float


def predicted(
    pairs: pd.DataFrame, predictor: str = "ridge", groups: Sequence[str] = DEFAULT
) -> "pd.Series[float]":
    """Return the predicted gain of every pair, from the measured ones of all other targets.

    Args:
        pairs: as ``pair_gains`` gives them.
        predictor: ``ridge``; ``size_rule``: the mean of the pairs whose target is smaller, or not,
            as in the pair; ``mean``: of all.
        groups: of ``FEATURES``, which the ridge sees.

    Raises:
        UserError: if pairs of fewer than three targets were trained.
    """
    targets = pairs.target.unique()
    if pairs.dropna(subset="gain").target.nunique() < 3:
        raise UserError(
            "Give a study with pairs of three targets or more: gains are predicted from others'."
        )
    found = pd.Series(np.nan, index=pairs.index)
    for target in targets:
        known = pairs[(pairs.target != target) & pairs.gain.notna()]
        asked = pairs[pairs.target == target]
        if predictor == "ridge":
            columns = [column for group in groups for column in FEATURES[group]]
            found[asked.index] = _ridge(known, asked, columns)
        else:
            found[asked.index] = _RULES[predictor](known, asked)
    return found


def _mean(known: pd.DataFrame, asked: pd.DataFrame) -> Array:
    return np.full(len(asked), known.gain.mean())


def _by_size(known: pd.DataFrame, asked: pd.DataFrame) -> Array:
    means = known.groupby(known.ratio < 0).gain.mean()
    said = (asked.ratio < 0).map(means).fillna(known.gain.mean())
    return np.asarray(said.to_numpy(float))


_RULES = {"size_rule": _by_size, "mean": _mean}


def _ridge(known: pd.DataFrame, asked: pd.DataFrame, columns: list[str]) -> Array:
    """Predict with the penalty that is best where one more target is left out."""
    errors = np.zeros(len(_PENALTIES))
    for target in known.target.unique():
        others, left_out = known[known.target != target], known[known.target == target]
        fits = _fits(others, left_out, columns)
        errors += ((fits - left_out.gain.to_numpy(float)) ** 2).sum(axis=1)
    best: Array = _fits(known, asked, columns)[errors.argmin()]
    return best


def _fits(known: pd.DataFrame, asked: pd.DataFrame, columns: list[str]) -> Array:
    """Return the predictions of every penalty, (penalties, asked)."""
    features = known[columns]
    centre, scale = features.mean(), features.std(ddof=0)
    scale = scale.where(scale > _CONSTANT, 1.0)
    # What is not known of a task counts as the mean of the others.
    standard, of_asked = (
        ((part[columns] - centre) / scale).fillna(0.0).to_numpy(float) for part in (known, asked)
    )
    gains = known.gain.to_numpy(float)
    grams = standard.T @ standard + _PENALTIES[:, None, None] * np.eye(len(columns))
    weights = np.linalg.solve(grams, standard.T @ (gains - gains.mean())[:, None])[:, :, 0]
    return np.asarray(gains.mean() + weights @ of_asked.T)


def judged(pairs: pd.DataFrame, groups: Sequence[str] = DEFAULT) -> list[Error]:
    """Return how good predictors are on the pairs that were trained, their target left out.

    Args:
        pairs: as ``pair_gains`` gives them.
        groups: of ``FEATURES``.

    Returns:
        The ridge with these groups, the same without each of them and with each other one that is
        known, and the rules.
    """
    measured = pairs.gain.notna()
    gains = pairs.gain[measured].to_numpy(float)
    sets = {"ridge": [*groups]}
    for group in known_groups(pairs):
        others = [name for name in groups if name != group]
        if group not in groups:
            sets[f"ridge with {group}"] = [*groups, group]
        elif others:
            sets[f"ridge without {group}"] = others
    said = {name: predicted(pairs, "ridge", of) for name, of in sets.items()}
    said |= {rule: predicted(pairs, rule) for rule in RULES}
    return [_error(name, of[measured].to_numpy(float), gains) for name, of in said.items()]


def _error(predictor: str, said: Array, gains: Array) -> Error:
    explained = 1 - ((said - gains) ** 2).sum() / ((gains - gains.mean()) ** 2).sum()
    right = float(((said > 0) == (gains > 0)).mean())
    absolute = float(np.abs(said - gains).mean())
    return Error(predictor, len(gains), absolute, float(explained), right)


def trained_groups(table: pd.DataFrame, gains: Mapping[tuple[str, str], float]) -> pd.DataFrame:
    """Return what was predicted of groups that were trained, beside what they gained.

    Args:
        table: records, as ``collect`` gives them; groups are those of one last stage.
        gains: by target and support.

    Returns:
        ``group``, its tasks joined by ``+``, ``target``, ``predicted`` and ``gain``, fractions.
    """
    scored = done(table)
    single = scored[scored.strategy == BASELINE].groupby("target").score.mean()
    together = scored[scored.support == ALL]
    together = together.assign(stage=together.stages.str.split().str[-1])
    members = together.groupby("stage").target.agg(lambda names: "+".join(sorted(set(names))))
    together = together.assign(group=together.stage.map(members))
    means = together.groupby(["group", "target"]).score.mean()
    rows = []
    for (group, target), score in means.items():
        others = [gains[target, other] for other in group.split("+") if other != target]
        if others and target in single.index:
            gain = score - single[target]
            said = float(np.mean(others))
            rows.append({"group": group, "target": target, "predicted": said, "gain": gain})
    return pd.DataFrame(rows, columns=["group", "target", "predicted", "gain"])
