from typing import Any

import numpy as np
import pandas as pd
import pytest

from tlbench.analysis.comparisons import counts
from tlbench.analysis.corrections import TESTS, THE_PAPERS_TEST, corrected

P = [0.04, 0.0004, 0.3, 0.021, 0.04, 0.9, 0.0012, 0.07, 0.55, 0.011]
# statsmodels 0.15, multipletests of P
HOLM = [0.24, 0.004, 0.9, 0.147, 0.24, 1.0, 0.0108, 0.28, 1.0, 0.088]
BH = [1 / 15, 0.004, 0.375, 0.0525, 1 / 15, 0.9, 0.006, 0.1, 0.55 / 0.9, 0.011 / 0.3]


def test_corrections_are_over_all_rows_that_have_a_p() -> None:
    columns = {f"{test}_p": [*P, np.nan] for test in (*TESTS, THE_PAPERS_TEST)}
    frame = corrected(pd.DataFrame(columns))
    for test in TESTS:
        assert frame[f"{test}_holm"].to_numpy() == to_twelve_digits([*HOLM, np.nan])
        assert frame[f"{test}_bh"].to_numpy() == to_twelve_digits([*BH, np.nan])
    row = counts(frame).set_index("test").loc["welch"]
    assert (row.pairs, row.p, row.holm, row.bh) == (10, 7, 3, 6)


def to_twelve_digits(values: list[float]) -> Any:
    return pytest.approx(values, rel=1e-12, nan_ok=True)
