import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.support.planted import GLUE, grid, none
from tests.support.tables import Table
from tlbench.analysis.across_targets import across_targets

NAMES = [f"task{number}" for number in range(9)]


def table_of(*differences: float) -> pd.DataFrame:
    """MTL minus STILTs by target, at one seed."""
    rows = [
        {"strategy": strategy, "target": target, "score": 0.7 + gain}
        for target, difference in zip(NAMES, differences, strict=False)
        for strategy, gain in (("mtl", difference), ("stilts", 0.0))
    ]
    same = {"seed": 0, "method": "-", "support": "s", "target_rows": 9, "support_rows": 9}
    costs = {"majority_score": 0.5, "steps": 1, "passes": 1, "passes_reused": 0}
    return pd.DataFrame(rows).assign(**same, **costs, outcome="scored", collapsed=False)


@pytest.mark.parametrize(
    ("differences", "outcome"),
    [
        (np.linspace(0.02, 0.05, 9), "better"),
        (np.linspace(-0.05, -0.02, 9), "worse"),
        (np.linspace(-0.002, 0.003, 9), "equal"),
        (np.linspace(-0.05, 0.05, 9), "undecided"),
        (np.linspace(0.001, 0.009, 9), "undecided"),
        (np.full(4, 0.1), "undecided"),
        (np.zeros(9), "equal"),
    ],
)
def test_a_planted_difference_is_said(differences: np.ndarray, outcome: str) -> None:  # type: ignore[type-arg]
    row = across_targets(table_of(*differences)).iloc[0]
    assert (row["first"], row.second, row.outcome) == ("mtl", "stilts", outcome)


def test_its_numbers_are_scipys_and_counted_by_half_points() -> None:
    differences = np.array([0.02, -0.01, 0.03, 0.004, -0.001, 0.05])
    row = across_targets(table_of(*differences)).iloc[0]
    assert (row.targets, row.better, row.equal, row.worse) == (6, 3, 2, 1)
    assert row.p == pytest.approx(stats.wilcoxon(differences).pvalue)
    assert row.difference == pytest.approx(differences.mean())


def test_all_strategies_are_compared_the_two_sides_first_and_the_baseline_last(
    table: Table,
) -> None:
    frame = across_targets(table(grid(GLUE, none, seeds=[1], gain=0.05)))
    pairs = list(zip(frame["first"], frame.second, strict=True))
    assert pairs[0] == ("mtl", "stilts")
    assert pairs[-1] == ("mtl_all", "single")
    assert len(pairs) == 6
    outcomes = dict(zip(pairs, frame.outcome, strict=True))
    assert outcomes["mtl", "single"] == outcomes["stilts", "single"] == "better"


def test_one_target_alone_is_no_test(table: Table) -> None:
    assert across_targets(table_of(0.02)).empty
