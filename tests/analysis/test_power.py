import numpy as np
import pytest

from tests.support.planted import grid, none
from tests.support.tables import Table
from tlbench.analysis.comparisons import ALPHA, compare
from tlbench.analysis.power import detectable, power


# statsmodels 0.15, solve_power of TTestPower and TTestIndPower, level 0.1, power 0.8; it counts
# the far tail too, which at three seeds is 1e-4 of the effect.
@pytest.mark.parametrize(
    ("seeds", "paired", "two_samples"),
    [
        (3, 2.2972733070861517, 2.481916060044891),
        (5, 1.35940080766545, 1.7245696170382416),
        (10, 0.8528190578875209, 1.156269228055294),
        (30, 0.46493363528325365, 0.6496136962656404),
    ],
)
def test_detectable_effects_are_those_of_known_power(
    seeds: int, paired: float, two_samples: float
) -> None:
    assert detectable(seeds, ALPHA, paired=True) == pytest.approx(paired, rel=2e-4)
    assert detectable(seeds, ALPHA, paired=False) == pytest.approx(two_samples, rel=2e-4)


@pytest.mark.parametrize("seeds", [2, 3, 5, 50])
def test_a_stricter_level_sees_less_even_with_two_seeds(seeds: int) -> None:
    effects = [detectable(seeds, ALPHA / tests, paired=True) for tests in (1, 72, 600)]
    assert effects == sorted(effects)
    assert np.isfinite(effects).all()


def test_power_is_by_target_and_in_its_spread(table: Table) -> None:
    comparisons = compare(table(grid({"rte": 1, "mnli": 2, "cola": 3}, none, noise=0.01)))
    row = power(comparisons).set_index("target").loc["rte"]
    spread = np.sqrt((comparisons[comparisons.target == "rte"].sd_difference ** 2).mean())
    assert row.paired == pytest.approx(spread * detectable(5, ALPHA, paired=True))
    assert row.student < row.paired < row.paired_holm


def test_nothing_is_said_of_one_seed(table: Table) -> None:
    assert power(compare(table(grid({"rte": 1, "mnli": 2}, none, seeds=[0])))).empty
