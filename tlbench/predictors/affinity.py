"""What a task would gain from training together with another, predicted without training the pair.

A ridge regression on what is known of both tasks once each was trained alone: their train rows, the
share of the most frequent label, and how far alone training came, after the idea of Ayman et al.
(2023). It is judged by leaving one target out, beside the size rule and the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.collect import done
from tlbench.analysis.comparisons import gains
from tlbench.errors import UserError
from tlbench.records.definitions import ALL, BASELINE, NONE

STRATEGY = "mtl"
_PENALTIES = np.geomspace(0.1, 1000, 13)  # of standardised features
FEATURES = ("target rows", "support rows", "ratio", "majority", "headroom", "support's headroom")
PREDICTORS = ("ridge", "size_rule", "mean")

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


def pair_gains(table: pd.DataFrame, strategy: str = STRATEGY) -> pd.DataFrame:
    """Return every ordered pair of tasks that have a ``single``, with what it gains.

    Args:
        table: records, as ``collect`` gives them.
        strategy: whose gains over ``single`` are asked for.

    Returns:
        ``target``, ``support``, ``gain``, a fraction, NaN where the pair was not trained, and one
        column for each of ``FEATURES``.

    Raises:
        UserError: if fewer than two tasks have a ``single``.
    """
    scored = done(table)
    single = (
        scored[scored.strategy == BASELINE]
        .groupby("target")
        .agg(
            rows=("target_rows", "max"),
            score=("score", "mean"),
            majority=("majority_score", "mean"),
        )
    )
    if len(single) < 2:
        raise UserError("Give a study in which two tasks or more were trained alone.")
    measured = gains(table)
    of_pair = measured[(measured.strategy == strategy) & ~measured.support.isin([NONE, ALL])]
    gain = of_pair.groupby(["target", "support"]).difference.mean()
    room = (single.score - single.majority) / (1 - single.majority).clip(lower=1e-6)
    rows = [
        {
            "target": target,
            "support": support,
            "gain": gain.get((target, support), np.nan),
            "target rows": np.log(single.rows[target]),
            "support rows": np.log(single.rows[support]),
            "ratio": np.log(single.rows[target] / single.rows[support]),
            "majority": single.majority[target],
            "headroom": room[target],
            "support's headroom": room[support],
        }
        for target in single.index
        for support in single.index
        if target != support
    ]
    return pd.DataFrame(rows)


def predicted(pairs: pd.DataFrame, predictor: str = "ridge") -> "pd.Series[float]":
    """Return the predicted gain of every pair, from the measured ones of all other targets.

    Args:
        pairs: as ``pair_gains`` gives them.
        predictor: ``ridge``; ``size_rule``: the mean of the pairs whose target is smaller, or not,
            as in the pair; ``mean``: of all.

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
        found[asked.index] = _PREDICT[predictor](known, asked)
    return found


def _mean(known: pd.DataFrame, asked: pd.DataFrame) -> Array:
    return np.full(len(asked), known.gain.mean())


def _by_size(known: pd.DataFrame, asked: pd.DataFrame) -> Array:
    means = known.groupby(known.ratio < 0).gain.mean()
    said = (asked.ratio < 0).map(means).fillna(known.gain.mean())
    return np.asarray(said.to_numpy(float))


def _ridge(known: pd.DataFrame, asked: pd.DataFrame) -> Array:
    """Predict with the penalty that is best where one more target is left out."""
    errors = np.zeros(len(_PENALTIES))
    for target in known.target.unique():
        others, left_out = known[known.target != target], known[known.target == target]
        fits = [_fit(others, left_out, penalty) for penalty in _PENALTIES]
        errors += [float(((fit - left_out.gain) ** 2).sum()) for fit in fits]
    return _fit(known, asked, float(_PENALTIES[errors.argmin()]))


def _fit(known: pd.DataFrame, asked: pd.DataFrame, penalty: float) -> Array:
    features = known[list(FEATURES)].to_numpy(float)
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    standard = (features - centre) / scale
    gram = standard.T @ standard + penalty * np.eye(len(FEATURES))
    weights = np.linalg.solve(gram, standard.T @ (known.gain - known.gain.mean()).to_numpy(float))
    said = (asked[list(FEATURES)].to_numpy(float) - centre) / scale @ weights
    return np.asarray(known.gain.mean() + said)


_PREDICT = {"ridge": _ridge, "size_rule": _by_size, "mean": _mean}


def judged(pairs: pd.DataFrame, predictors: Sequence[str] = PREDICTORS) -> list[Error]:
    """Return how good each predictor is on the pairs that were trained, their target left out."""
    measured = pairs.gain.notna()
    gains = pairs.gain[measured].to_numpy(float)
    found = []
    for name in predictors:
        said = predicted(pairs, name)[measured].to_numpy(float)
        explained = 1 - ((said - gains) ** 2).sum() / ((gains - gains.mean()) ** 2).sum()
        right = float(((said > 0) == (gains > 0)).mean())
        found.append(
            Error(name, len(gains), float(np.abs(said - gains).mean()), float(explained), right)
        )
    return found


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
