"""What is known of every task once it was trained alone: its rows, labels, scores and curves."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.collect import done
from tlbench.analysis.learned import from_words
from tlbench.errors import UserError
from tlbench.records.definitions import BASELINE

_LEAST = 1e-6  # of what a score may rise above the majority's

Array = NDArray[np.float64]


def trained_alone(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the records of ``single`` say of every task, means over seeds.

    Args:
        table: records, as ``collect`` gives them.

    Returns:
        By task: ``rows`` of train; ``score``; ``majority``, the score of the most frequent label;
        ``entropy`` of the labels; ``headroom``, how far the score came from the majority's to 1;
        ``early``, how far it had come at the first evaluation, and ``late``, what the second half
        of the training added to that. NaN is what no record of the task says: ``early`` and
        ``late`` take a curve of two evaluations or more.

    Raises:
        UserError: if fewer than two tasks have a ``single``.
    """
    single = done(table)
    single = single[single.strategy == BASELINE]
    tasks = single.groupby("target").agg(
        rows=("target_rows", "max"),
        score=("score", "mean"),
        majority=("majority_score", "mean"),
    )
    if len(tasks) < 2:
        raise UserError("Give a study in which two tasks or more were trained alone.")
    room = (1 - tasks.majority).clip(lower=_LEAST)
    # Of runs that are there twice, the one that says more: older records have neither.
    alone = table[(table.strategy == BASELINE) & (table.outcome == "scored")]
    curves = _curves(alone).reindex(tasks.index)
    return tasks.assign(
        entropy=_means(alone, "label_entropy").reindex(tasks.index),
        headroom=(tasks.score - tasks.majority) / room,
        early=(curves.early - tasks.majority) / room,
        late=curves.late / room,
    )


def _means(alone: pd.DataFrame, column: str) -> "pd.Series[float]":
    if column not in alone:  # of a table of one's own
        return pd.Series(dtype=float)
    means: pd.Series[float] = alone.groupby("target")[column].mean()
    return means


def _curves(alone: pd.DataFrame) -> pd.DataFrame:
    """Return by task the score at the first evaluation and the gain of the second half."""
    known = alone[alone.curve.fillna("") != ""] if "curve" in alone else alone[:0]
    known = known.drop_duplicates(["target", "target_rows", "seed"], keep="last")
    shapes = [(run.target, *_shape(*from_words(run.curve)[:2])) for run in known.itertuples()]
    frame = pd.DataFrame(shapes, columns=["target", "early", "late"]).astype({"early": float})
    return frame.astype({"late": float}).groupby("target").mean()


def _shape(steps: Array, scores: Array) -> tuple[float, float]:
    """Return a curve's first score, and the slope of its second half over the steps of that."""
    steps, scores = steps[~np.isnan(scores)], scores[~np.isnan(scores)]
    if len(steps) < 2:
        return float("nan"), float("nan")
    late = steps >= min(steps[-1] / 2, steps[-2])
    slope = np.polyfit(steps[late], scores[late], 1)[0]
    return float(scores[0]), float(slope * np.ptp(steps[late]))
