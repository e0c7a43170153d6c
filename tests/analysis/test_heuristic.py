import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.support.planted import GLUE, grid, heuristic_holds
from tests.support.tables import Table
from tlbench.analysis.comparisons import ALPHA, compare
from tlbench.analysis.heuristic import (
    accuracy,
    fieller,
    judge,
    mcnemar,
    regress,
    two_way_interval,
)
from tlbench.analysis.names import Sides


def pairs(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    """(target rows, support rows, difference, Student's p)."""
    columns = ["target_rows", "support_rows", "difference", "student_p"]
    frame = pd.DataFrame(rows, columns=columns).assign(student_t=lambda f: 100 * f.difference)
    return frame.assign(
        target=frame.target_rows.astype(str), support=frame.support_rows.astype(str)
    )


def test_the_heuristic_says_mtl_for_the_smaller_target_only() -> None:
    judged = judge(pairs((1, 2, 0.1, 0.01), (2, 1, -0.1, 0.01), (1, 1, -0.1, 0.01)))
    assert list(judged.heuristic) == ["mtl", "stilts", "stilts"]
    assert not judged.miss.any()


def test_accuracy_counts_applicable_and_all_pairs() -> None:
    judged = judge(
        pairs((1, 2, 0.02, 0.01), (1, 2, -0.04, 0.01), (2, 1, 0.01, 0.5), (1, 2, 0.0, np.nan))
    )
    rules = accuracy(judged).set_index("rule")
    heuristic = rules.loc["size heuristic"]
    assert list(judged.miss) == [False, True, False, False]
    assert (heuristic.applicable_right, heuristic.applicable_pairs) == (1, 2)
    assert (heuristic.all_right, heuristic.all_pairs) == (1, 3)  # a tie has no winner
    exact = stats.binomtest(1, 2).proportion_ci(1 - ALPHA, method="exact")
    assert (heuristic.applicable_low, heuristic.applicable_high) == pytest.approx(tuple(exact))
    assert heuristic.regret == pytest.approx((0.04 + 0.01) / 4)
    assert rules.loc["always MTL"].regret == pytest.approx(0.04 / 4)
    assert rules.loc["always STILTs"].regret == pytest.approx(0.03 / 4)


def test_the_sides_are_any_two() -> None:
    sides = Sides("mine", "mtl", "Mine", "MTL")
    judged = judge(pairs((1, 2, 0.1, 0.01), (2, 1, 0.1, 0.01)), sides)
    assert list(judged.heuristic) == ["mine", "mtl"]
    assert list(judged.winner) == ["mine", "mine"]
    rules = accuracy(judged, sides).set_index("rule").all_right
    assert rules.to_dict() == {
        "size heuristic": 1,
        "always Mine": 2,
        "always MTL": 0,
        "majority": 2,
    }


def test_no_constant_rule_beats_the_majority_on_applicable_pairs() -> None:
    judged = judge(pairs((1, 2, -0.1, 0.01), (1, 2, -0.1, 0.01), (1, 2, 0.1, 0.01)))
    right = accuracy(judged).set_index("rule").applicable_right
    assert right["majority"] == max(right["always MTL"], right["always STILTs"]) == 2


def test_a_planted_rule_is_found(table: Table) -> None:
    judged = judge(compare(table(grid(GLUE, heuristic_holds, noise=0.003))))
    rule = accuracy(judged).iloc[0]
    assert rule.applicable_accuracy > 0.95
    line = regress(judged)
    assert line is not None
    assert line.slope < 0
    assert line.p < 1e-6
    assert line.low is not None
    assert line.high is not None
    assert line.low < 1 < line.high


def test_the_regression_is_ordinary_least_squares() -> None:
    """The golden numbers are of statsmodels 0.15, OLS(t, add_constant(x)).fit()."""
    line = regress(
        pairs(
            (300, 4000, 0.031, 0.01),
            (500, 900, 0.004, 0.5),
            (900, 500, -0.012, 0.3),
            (500, 2500, 0.022, 0.1),
            (2500, 500, -0.029, 0.1),
            (4000, 300, -0.041, 0.01),
            (900, 1500, 0.01, 0.5),
            (1500, 1500, -0.003, 0.5),
        )
    )
    assert line is not None
    a, b = -0.317986020858714, -3.35313211436225
    assert (line.intercept, line.slope) == pytest.approx((a, b), rel=1e-12)
    assert line.p == pytest.approx(7.558833771828449e-07, rel=1e-12)
    assert line.r2 == pytest.approx(0.9865990154032886, rel=1e-12)
    shared = 0.00070585112037676
    covariance = [[0.01173287212262188, shared], [shared, 0.025453418028179596]]
    assert np.array(line.covariance) == pytest.approx(np.array(covariance), rel=1e-12)
    assert line.crossover == pytest.approx(10 ** (-a / b), rel=1e-12)


def test_one_ratio_of_sizes_or_two_pairs_have_no_line() -> None:
    assert regress(pairs(*[(1, 1, d, 0.1) for d in (0.1, 0.2, 0.3)])) is None
    assert regress(pairs((1, 2, 0.1, 0.1), (2, 1, 0.1, 0.1))) is None


@pytest.mark.slow
def test_fiellers_interval_covers_at_its_rate() -> None:
    draw = np.random.default_rng(0)
    sizes = [(int(1000 * 10**x), 1000) for x in np.linspace(-2, 2, 30)]
    inside = []
    for _ in range(1500):
        t = [0.5 - np.log10(a / b) + draw.standard_normal() for a, b in sizes]
        line = regress(pairs(*((*size, d / 100, 0.1) for size, d in zip(sizes, t, strict=True))))
        assert line is not None
        assert line.low is not None
        assert line.high is not None
        inside.append(line.low < 10**0.5 < line.high)
    assert np.mean(inside) == pytest.approx(1 - ALPHA, abs=0.025)


def test_a_slope_that_may_be_zero_has_no_crossover_interval() -> None:
    assert fieller(1.0, 0.1, np.eye(2), 2.0) == (None, None)


def test_mcnemars_test_is_the_binomials_of_where_rules_differ() -> None:
    first = pd.Series([True] * 12 + [False] * 8)
    second = pd.Series([True] * 4 + [False] * 8 + [True] * 2 + [False] * 6)
    assert mcnemar(first, second) == pytest.approx(stats.binomtest(8, 10).pvalue)
    assert np.isnan(mcnemar(first, first))


def test_pairs_of_one_target_that_go_together_count_as_one() -> None:
    """The share is right or wrong by whole targets: an interval over pairs is too short."""
    targets = [f"t{number}" for number in range(6)]
    pairs = pd.DataFrame([{"target": t, "support": f"s{n}"} for t in targets for n in range(20)])
    is_right = pairs.target.isin(targets[:3])
    low, high = two_way_interval(pairs, is_right)
    exact = stats.binomtest(60, 120).proportion_ci(0.9)
    assert high - low > 3 * (exact.high - exact.low)
    assert low < 0.5 < high
    independent = pd.Series(np.random.default_rng(0).random(120) < 0.5)
    low, high = two_way_interval(pairs, independent)
    assert high - low < 2.2 * (exact.high - exact.low)
    assert np.isnan(two_way_interval(pairs[pairs.target == "t0"], is_right[:20])).all()
