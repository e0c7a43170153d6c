from hypothesis import given
from hypothesis import strategies as st

from tlbench.analysis import looks


def test_between_two_looks_the_last_one_stands() -> None:
    at = [looks.latest(seeds) for seeds in range(13)]
    assert at == [0, 0, 2, 3, 3, 5, 5, 5, 8, 8, 10, 10, 10]
    assert [looks.latest(seeds) for seeds in (19, 20, 39, 40, 100)] == [10, 20, 20, 40, 80]


@given(st.integers(2, 10**6))
def test_however_long_a_study_grows_its_looks_spend_the_error_once(seeds: int) -> None:
    seen = {looks.latest(count) for count in [*range(2, min(seeds, 100)), seeds]} - {0}
    while (latest := max(seen)) < seeds and looks.latest(2 * latest) <= seeds:
        seen.add(looks.latest(2 * latest))
    assert sum(map(looks.share, seen)) < 1 + 1e-9
    assert all(looks.share(look) > 0 for look in seen)
