import numpy as np
import pytest
from scipy import stats

from tlbench.analysis.quantiles import simultaneous


@pytest.mark.parametrize("freedom", [2, 5, 8, 40])
@pytest.mark.parametrize("error", [0.1, 0.04])
def test_it_is_the_quantile_of_the_multivariate_t(freedom: int, error: float) -> None:
    correlation = np.array([[1, 0.5, 0.2], [0.5, 1, 0.7], [0.2, 0.7, 1]])
    t = stats.multivariate_t(shape=correlation, df=freedom, seed=0)
    both = simultaneous(correlation, freedom, error)
    inside = t.cdf(np.full(3, both), lower_limit=np.full(3, -both))
    assert 1 - inside == pytest.approx(error, rel=0.03)
    one = simultaneous(correlation, freedom, error, sides=1)
    assert 1 - t.cdf(np.full(3, one)) == pytest.approx(error, rel=0.03)


# Dunnett (1964), two-sided, 5%, as scipy's own test of many candidates against one.
def test_it_is_dunnetts_where_spreads_are_equal() -> None:
    random = np.random.default_rng(0)
    samples = [random.normal(size=5) for _ in range(6)]
    *treated, control = samples
    result = stats.dunnett(*treated, control=control, random_state=random)
    found = result.confidence_interval(0.95)
    pooled = np.sqrt(np.mean([sample.var(ddof=1) for sample in samples]))
    half = (found.high - found.low) / 2 / (pooled * np.sqrt(2 / 5))
    correlation = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    assert simultaneous(correlation, 24, 0.05) == pytest.approx(half.mean(), rel=0.01)


def test_of_one_it_is_students_and_of_independent_ones_sidaks() -> None:
    assert simultaneous(np.eye(1), 7, 0.1) == pytest.approx(stats.t.ppf(0.95, 7))
    sidak = stats.norm.ppf(1 - (1 - 0.9 ** (1 / 11)) / 2)
    assert simultaneous(np.eye(11), 1e6, 0.1) == pytest.approx(sidak, rel=0.01)


def test_statistics_that_are_one_and_the_same_count_once() -> None:
    assert simultaneous(np.ones((4, 4)), 9, 0.1) == pytest.approx(stats.t.ppf(0.95, 9), rel=0.02)
