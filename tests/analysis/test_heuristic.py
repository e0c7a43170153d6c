import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from tests.support.planted import GLUE, grid, heuristic_holds
from tests.support.tables import Table
from tlbench.analysis.comparisons import ALPHA, compare
from tlbench.analysis.heuristic import accuracy, fieller, judge, regress


def pairs(*rows: tuple[int, int, float, float]) -> pd.DataFrame:
    """(target rows, support rows, difference, Student's p)."""
    columns = ["target_rows", "support_rows", "difference", "student_p"]
    return pd.DataFrame(rows, columns=columns).assign(student_t=lambda f: 100 * f.difference)


def test_the_heuristic_says_mtl_for_the_smaller_target_only() -> None:
    judged = judge(pairs((1, 2, 0.1, 0.01), (2, 1, -0.1, 0.01), (1, 1, -0.1, 0.01)))
    assert list(judged.heuristic) == ["mtl", "stilts", "stilts"]
    assert not judged.miss.any()


def test_accuracy_counts_applicable_and_all_pairs() -> None:
    judged = judge(
        pairs((1, 2, 0.02, 0.01), (1, 2, -0.04, 0.01), (2, 1, 0.01, 0.5), (1, 2, 0.0, np.nan))
    )
    found = accuracy(judged).set_index("rule")
    heuristic = found.loc["size heuristic"]
    assert list(judged.miss) == [False, True, False, False]
    assert (heuristic.applicable_right, heuristic.applicable_pairs) == (1, 2)
    assert (heuristic.all_right, heuristic.all_pairs) == (1, 3)  # a tie has no winner
    exact = stats.binomtest(1, 2).proportion_ci(1 - ALPHA, method="exact")
    assert (heuristic.applicable_low, heuristic.applicable_high) == pytest.approx(tuple(exact))
    assert heuristic.regret == pytest.approx((0.04 + 0.01) / 4)
    assert found.loc["always MTL"].regret == pytest.approx(0.04 / 4)
    assert found.loc["always STILTs"].regret == pytest.approx(0.03 / 4)


def test_no_constant_rule_beats_the_majority_on_applicable_pairs() -> None:
    judged = judge(pairs((1, 2, -0.1, 0.01), (1, 2, -0.1, 0.01), (1, 2, 0.1, 0.01)))
    found = accuracy(judged).set_index("rule").applicable_right
    assert found["majority"] == max(found["always MTL"], found["always STILTs"]) == 2


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


def test_the_regression_is_statsmodels(table: Table) -> None:
    found = compare(table(grid(GLUE, heuristic_holds)))
    x = sm.add_constant(np.log10(found.target_rows / found.support_rows))
    expected = sm.OLS(found.student_t, x).fit()
    line = regress(found)
    assert line is not None
    assert [line.intercept, line.slope] == pytest.approx(list(expected.params))
    assert (line.p, line.r2) == pytest.approx((expected.pvalues.iloc[1], expected.rsquared))
    assert line.crossover == pytest.approx(10 ** (-line.intercept / line.slope))


def test_one_ratio_of_sizes_or_two_pairs_have_no_line() -> None:
    assert regress(pairs(*[(1, 1, d, 0.1) for d in (0.1, 0.2, 0.3)])) is None
    assert regress(pairs((1, 2, 0.1, 0.1), (2, 1, 0.1, 0.1))) is None


def test_fiellers_interval_covers_at_its_rate() -> None:
    draw = np.random.default_rng(0)
    x = np.linspace(-2, 2, 30)
    design = sm.add_constant(x)
    inside = []
    for _ in range(1500):
        fit = sm.OLS(0.5 - 1.0 * x + draw.standard_normal(30), design).fit()
        quantile = stats.t.ppf(1 - ALPHA / 2, 28)
        low, high = fieller(*fit.params, fit.cov_params(), quantile)
        assert low is not None
        assert high is not None
        inside.append(low < 0.5 < high)
    assert np.mean(inside) == pytest.approx(1 - ALPHA, abs=0.025)


def test_a_slope_that_may_be_zero_has_no_crossover_interval() -> None:
    assert fieller(1.0, 0.1, np.eye(2), 2.0) == (None, None)
