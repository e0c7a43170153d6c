"""Reads how runs learned: their target's score at every evaluation of the last stage.

Records say it; of an older one, its stage does if it is still in the store.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.learned import as_words, from_words
from tlbench.records.curve import dev_curve
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
    """Return the curves of runs that have one, by seed.

    Args:
        runs: records, as ``collect`` gives them.
    """
    found = [_curve(run) for _, run in runs.sort_values("seed", kind="stable").iterrows()]
    return [curve for curve in found if curve is not None]


def _curve(run: "pd.Series[Any]") -> Curve | None:
    words = run.get("curve") or _of_stage(run)
    return Curve(int(run.seed), *from_words(words)) if words else None


def _of_stage(run: "pd.Series[Any]") -> str:
    folder = store_folder(run.store, run.file)
    if folder is None or not run.stages:
        return ""
    manifest = Store(folder).find(run.stages.split()[-1])
    return "" if manifest is None else as_words(dev_curve(manifest), run.target)
