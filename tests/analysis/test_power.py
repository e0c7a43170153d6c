import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower, TTestPower

from tests.support.planted import grid, none
from tests.support.tables import Table
from tlbench.analysis.comparisons import ALPHA, compare
from tlbench.analysis.power import POWER, detectable, power


@pytest.mark.parametrize("seeds", [3, 5, 10, 30])
def test_detectable_effects_are_statsmodels(seeds: int) -> None:
    paired = TTestPower().power(detectable(seeds, ALPHA, paired=True), seeds, ALPHA)
    two = TTestIndPower().power(detectable(seeds, ALPHA, paired=False), seeds, ALPHA)
    assert (paired, two) == pytest.approx((POWER, POWER), abs=1e-4)


@pytest.mark.parametrize("seeds", [2, 3, 5, 50])
def test_a_stricter_level_sees_less_even_with_two_seeds(seeds: int) -> None:
    found = [detectable(seeds, ALPHA / tests, paired=True) for tests in (1, 72, 600)]
    assert found == sorted(found)
    assert np.isfinite(found).all()


def test_power_is_by_target_and_in_its_spread(table: Table) -> None:
    found = compare(table(grid({"rte": 1, "mnli": 2, "cola": 3}, none, noise=0.01)))
    row = power(found).set_index("target").loc["rte"]
    spread = np.sqrt((found[found.target == "rte"].sd_difference ** 2).mean())
    assert row.paired == pytest.approx(spread * detectable(5, ALPHA, paired=True))
    assert row.student < row.paired < row.paired_holm


def test_nothing_is_said_of_one_seed(table: Table) -> None:
    assert power(compare(table(grid({"rte": 1, "mnli": 2}, none, seeds=[0])))).empty
