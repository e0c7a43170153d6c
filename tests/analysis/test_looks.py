import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.analysis.looks import EVER, LOOKS, Looks
from tlbench.errors import UserError


def test_between_two_looks_the_last_one_stands() -> None:
    at = [EVER.latest(seeds) for seeds in range(13)]
    assert at == [0, 0, 2, 3, 3, 5, 5, 5, 8, 8, 10, 10, 10]
    assert [EVER.latest(seeds) for seeds in (19, 20, 39, 40, 100)] == [10, 20, 20, 40, 80]


@given(st.integers(2, 10**6))
def test_however_long_a_study_grows_its_looks_spend_the_error_once(seeds: int) -> None:
    seen = {EVER.latest(count) for count in [*range(2, min(seeds, 100)), seeds]} - {0}
    while (latest := max(seen)) < seeds and EVER.latest(2 * latest) <= seeds:
        seen.add(EVER.latest(2 * latest))
    assert sum(map(EVER.share, seen)) < 1 + 1e-9
    assert all(EVER.share(look) > 0 for look in seen)


@given(st.sets(st.integers(2, 200), min_size=1))
def test_looks_of_ones_own_spend_all_of_the_error(at: set[int]) -> None:
    looks = Looks(tuple(sorted(at)))
    shares = [looks.share(look) for look in sorted(at)]
    assert sum(shares) == pytest.approx(1)
    assert min(shares) > 0
    assert looks.latest(1000) == max(at)
    assert looks.latest(min(at) - 1) == 0


def test_an_early_last_look_spends_what_later_ones_would() -> None:
    five = Looks((2, 3, 5))
    assert [five.share(look) for look in (2, 3)] == [EVER.share(look) for look in (2, 3)]
    assert five.share(5) == pytest.approx(0.8)
    assert Looks(LOOKS).share(8) == pytest.approx(EVER.share(8))
    assert Looks((4, 20)).share(4) == pytest.approx(0.4)  # half of what five seeds spend beyond 3


@pytest.mark.parametrize("at", [(), (1, 3), (3, 3), (5, 2)])
def test_looks_that_are_none_are_refused(at: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"^Change looks="):
        Looks(at)
