"""Reads how runs learned: their target's score at every evaluation, from stages in the store."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.records.predictions import store_folder
from tlbench.store.store import Store

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """A run's score on its target's dev rows at every evaluation of its last stage.

    Attributes:
        steps: of the evaluations, (evaluations,).
        scores: fractions, (evaluations,); NaN where not defined.
        chosen: the step of the weights that the record's score is of.
    """

    seed: int
    steps: Array
    scores: Array
    chosen: int


def curves(runs: pd.DataFrame) -> list[Curve]:
    """Return the curves of runs whose last stage is still in the store, by seed.

    Args:
        runs: records, as ``collect`` gives them.
    """
    found = [_curve(run) for _, run in runs.sort_values("seed", kind="stable").iterrows()]
    return [curve for curve in found if curve is not None]


def _curve(run: "pd.Series[Any]") -> Curve | None:
    folder = store_folder(run.store, run.file)
    if folder is None or not run.stages:
        return None
    manifest = Store(folder).find(run.stages.split()[-1])
    if manifest is None or run.target not in manifest["tasks"]:
        return None
    scores = {
        entry["step"]: entry["tasks"][run.target]["dev"].get("score")
        for entry in manifest["history"]
        if "dev" in entry["tasks"].get(run.target, {})
    }
    if not scores:
        return None
    return Curve(
        seed=int(run.seed),
        steps=np.array(list(scores), float),
        scores=np.array(list(scores.values()), float),  # None becomes NaN
        chosen=int(manifest["tasks"][run.target]["step"]),
    )
