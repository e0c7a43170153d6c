import numpy as np
import pytest
from scipy import stats

from tlbench.analysis.batches import share
from tlbench.analysis.contrasts import against, sample_of
from tlbench.analysis.row_noise import RowNoise

RANDOM = np.random.default_rng(0)
SINGLE, SUPPORTED = RANDOM.normal(0.7, 0.03, 5), RANDOM.normal(0.75, 0.01, 4)


def no_rows(candidates: int) -> RowNoise:
    unknown = np.full((candidates, candidates), np.nan)
    return RowNoise(unknown, np.full(candidates, np.nan), 0)


FIRST = np.zeros(2, int)  # both are of the first batch


def test_over_seeds_it_is_welchs_test() -> None:
    contrasts = against(sample_of([SINGLE, SUPPORTED], no_rows(2)), 0)
    welch = stats.ttest_ind(SUPPORTED, SINGLE, equal_var=False)
    interval = welch.confidence_interval(0.9)
    (_, half) = contrasts.half_widths(FIRST, {0: 1}, 0.1 / share(0), sides=2)
    assert contrasts.differences[1] / contrasts.errors[1] == pytest.approx(welch.statistic)
    assert contrasts.freedom[1] == pytest.approx(welch.df)
    assert half == pytest.approx((interval.high - interval.low) / 2)
    assert not contrasts.has_rows.any()


def test_one_candidates_spread_has_no_part_in_anothers_error() -> None:
    wild = np.array([0.2, 0.9, 0.5, 0.1])
    calm = against(sample_of([SINGLE, SUPPORTED, SUPPORTED + 0.01], no_rows(3)), 0)
    both = against(sample_of([SINGLE, SUPPORTED, wild], no_rows(3)), 0)
    assert both.errors[1] == calm.errors[1]


def test_rows_add_to_the_error_and_what_two_candidates_share_does_not() -> None:
    rows = RowNoise(np.array([[4e-4, 3e-4], [3e-4, 4e-4]]), np.zeros(2), 300)
    with_rows = against(sample_of([SINGLE, SUPPORTED], rows), 0)
    without = against(sample_of([SINGLE, SUPPORTED], no_rows(2)), 0)
    assert with_rows.errors[1] ** 2 - without.errors[1] ** 2 == pytest.approx(2e-4)
    assert with_rows.has_rows[1]


def test_seeds_that_score_alike_by_chance_are_not_taken_to_be_alike() -> None:
    rows = RowNoise(np.zeros((2, 2)), np.full(2, 1e-4), 300)
    contrasts = against(sample_of([np.full(2, 0.7), np.full(2, 0.71)], rows), 0)
    assert contrasts.errors[1] == pytest.approx(0.01)
    assert contrasts.freedom[1] == pytest.approx(2)


def test_without_any_spread_there_is_no_error() -> None:
    contrasts = against(sample_of([np.full(3, 0.7)] * 2, no_rows(2)), 0)
    assert np.isnan(contrasts.half_widths(FIRST, {0: 1}, 0.1, sides=2)).all()


def test_what_is_not_there_counts_in_the_family() -> None:
    contrasts = against(sample_of([SINGLE, SUPPORTED], no_rows(2)), 0)
    halves = [contrasts.half_widths(FIRST, {0: n}, 0.1, sides=2)[1] for n in (1, 2, 11)]
    assert halves == sorted(set(halves))


def test_every_batch_has_its_own_share_and_its_own_count() -> None:
    contrasts = against(sample_of([SINGLE, SUPPORTED, SUPPORTED], no_rows(3)), 0)
    together = contrasts.half_widths(np.zeros(3, int), {0: 2}, 0.1, sides=2)
    apart = contrasts.half_widths(np.array([0, 0, 1]), {0: 1, 1: 1}, 0.1, sides=2)
    assert together[1] == together[2]
    assert apart[1] < together[1] < apart[2]


def test_differences_from_a_noisy_control_go_together() -> None:
    noisy = SINGLE + np.array([-0.2, 0.2, -0.2, 0.2, 0])
    contrasts = against(sample_of([noisy, SUPPORTED, SUPPORTED + 0.02], no_rows(3)), 0)
    assert contrasts.correlation[1, 2] > 0.95
