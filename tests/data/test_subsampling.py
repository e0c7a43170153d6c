import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.subsampling import count_rows, draw, hold_out
from tlbench.errors import UserError


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (None, 900),
        (250, 250),
        (1, 1),
        (1.0, 900),
        (0.5, 450),
        ("1/3", 300),
        ("2x", 200),
        ("1/3x", 33),
        ("0.5x", 50),
    ],
)
def test_counts_fractions_and_multiples(size: object, expected: int) -> None:
    assert count_rows(size, 900, "rte", "subsample_size.support", target=100) == expected


@pytest.mark.parametrize(
    ("size", "target", "message"),
    [
        (901, 100, "asks for 901 rows and task 'rte' has 900"),
        ("10x", 100, "asks for 1000 rows"),
        ("2x", None, "only for the support task"),
        (1.5, 100, "more than 1.0"),
        ("many", 100, "none of null, a count"),
        ("1/0", 100, "none of null, a count"),
        (True, 100, "none of null, a count"),
        (0, 100, "not a row"),
        (-5, 100, "not a row"),
    ],
)
def test_a_wrong_size_is_refused_by_name(size: object, target: int | None, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        count_rows(size, 900, "rte", "subsample_size.target", target)
    assert "subsample_size.target" in str(raised.value)


@given(st.integers(1, 300), st.data(), st.integers(0, 2**32))
def test_a_smaller_draw_is_a_part_of_a_larger_one(
    rows: int, data: st.DataObject, seed: int
) -> None:
    small, large = sorted(data.draw(st.integers(0, rows)) for _ in range(2))
    few, many = draw(small, rows, seed), draw(large, rows, seed)
    assert few.tolist() == many[:small].tolist()
    assert len(set(many)) == large
    assert set(many) <= set(range(rows))
    for part, whole in zip(hold_out(few), hold_out(many), strict=True):
        assert set(part) <= set(whole)


def test_a_tenth_is_held_out() -> None:
    train, held = hold_out(draw(1000, 1000, 0))
    assert (len(train), len(held)) == (900, 100)
    assert not set(train) & set(held)


def test_the_seed_makes_the_draw() -> None:
    assert not np.array_equal(draw(50, 100, 0), draw(50, 100, 1))
