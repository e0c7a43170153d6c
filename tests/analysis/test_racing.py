import numpy as np
import pytest

from tlbench.analysis.candidates import Runs
from tlbench.analysis.racing import believed, in_order


def runs(
    strategy: str, support: str, *scores: float, collapsed: tuple[bool, ...] = (), floor: float = 0
) -> Runs:
    found = np.array(scores)
    lost = np.array(collapsed or [False] * len(scores), bool)
    none: list[None] = [None] * len(scores)
    key = (strategy, "-", support, 0)
    return Runs(key, found, [*none], 0, lost, floor, np.nan, "accuracy")


SINGLE = runs("single", "-", 0.70)


def test_after_one_seed_the_order_is_that_of_the_means() -> None:
    other = [runs("stilts", name, score) for name, score in (("a", 0.6), ("b", 0.8), ("c", 0.7))]
    order = in_order([SINGLE, *other])
    assert [place for place in order if place] == [2, 3, 1]


def test_one_of_few_seeds_goes_before_one_that_is_known_to_be_hardly_better() -> None:
    known = runs("stilts", "a", *[0.701, 0.699, 0.70, 0.702, 0.698] * 2)
    hardly = runs("stilts", "b", 0.697)
    order = in_order([SINGLE, known, hardly])
    assert order.index(2) < order.index(1)


def test_one_that_is_known_to_be_worse_stays_behind() -> None:
    known = runs("stilts", "a", 0.80, 0.81, 0.79)
    worse = runs("stilts", "b", 0.60)
    assert in_order([known, worse]) == [0, 1]


def test_a_candidate_is_believed_more_of_where_its_kin_does_well() -> None:
    def of_mtl(kin: float) -> float:
        every = [
            SINGLE,
            *[runs("stilts", name, 0.7) for name in "bcd"],
            runs("stilts", "a", kin, kin),
            runs("mtl", "a", 0.7),
        ]
        return float(believed(every).means[-1])

    assert of_mtl(0.8) > of_mtl(0.6) + 0.01


def test_one_collapse_is_no_end_for_a_candidate_where_others_collapse_too() -> None:
    """Of ten candidates three have a run that says one word; which, is chance."""
    good = [runs("stilts", f"good{n}", 0.7, 0.71) for n in range(7)]
    unlucky = [
        runs("stilts", f"bad{n}", 0.5, 0.74, collapsed=(True, False), floor=0.5) for n in range(3)
    ]
    means = believed([SINGLE, *good, *unlucky]).means
    assert means[-1] > 0.65, "a plain mean is 0.62"


def test_one_that_always_collapses_comes_last() -> None:
    lost = runs("mtl", "a", 0.5, 0.5, 0.5, collapsed=(True, True, True), floor=0.5)
    others = [runs("stilts", name, 0.7, 0.71, 0.7) for name in "bcd"]
    assert in_order([SINGLE, *others, lost])[-1] == 4


def test_one_without_a_score_comes_last() -> None:
    assert in_order([runs("mtl", "a"), SINGLE]) == [1, 0]


def test_the_spread_of_one_seed_is_that_of_the_prior() -> None:
    one, other = believed([runs("stilts", "a", 0.7), runs("stilts", "b", 0.7)]).errors
    assert one == pytest.approx(other)
    assert 0.01 < one < 0.03
