"""Corrects p-values for how many pairs are tested."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

THE_PAPERS_TEST = "student"  # uncorrected
TESTS = ("welch", "paired")

Array = NDArray[np.float64]


def holm(p: Array) -> Array:
    """Return p-values adjusted so that any false find at a level is as rare as that (Holm 1979)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1)
    adjusted = np.empty_like(p)
    adjusted[order] = steps
    return adjusted


def benjamini_hochberg(p: Array) -> Array:
    """Return p-values adjusted to bound the share of false finds (Benjamini, Hochberg 1995)."""
    return np.asarray(stats.false_discovery_control(p, method="bh"))


CORRECTIONS: dict[str, Callable[[Array], Array]] = {"holm": holm, "bh": benjamini_hochberg}


def corrected(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with every test's p corrected over all its rows: ``welch_holm``, ..."""
    columns = {}
    for test in TESTS:
        p = frame[f"{test}_p"].to_numpy()
        has_p = ~np.isnan(p)
        for name, correct in CORRECTIONS.items():
            adjusted = np.full(len(p), np.nan)
            adjusted[has_p] = correct(p[has_p])
            columns[f"{test}_{name}"] = adjusted
    return frame.assign(**columns)
