"""Which rows are kept: golden cases, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.config.schema import Synthesis
from tlbench.data.row_digests import normalised_digest
from tlbench.synthesis.filters import (
    LEAKED,
    LONG,
    SAME,
    SHORT,
    SIMILAR,
    TRAIN,
    TWICE,
    Filters,
    similarity,
    words_of,
)

OPTIONS = Synthesis(least_words=2, most_words=5, most_similar=0.5)
TEXTS = st.lists(st.text("ab c", min_size=1), min_size=1, max_size=2)


def of(*rows: tuple[str, ...]) -> list[int]:
    return [normalised_digest(row) for row in rows]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("one",), SHORT),
        (("one two", "one"), SHORT),
        (("one two three four five six",), LONG),
        (("One, two.", "one two"), SAME),
        (("the train row",), TRAIN),
        (("A Dev row!",), LEAKED),
        (("kept before now",), TWICE),
        (("now, before: KEPT",), SIMILAR),
        (("shown to the model",), SIMILAR),
        (("shown to nobody else",), None),
    ],
)
def test_why_a_row_is_left_out(row: tuple[str, ...], reason: str | None) -> None:
    filters = Filters(OPTIONS, of(("the train row",)), of(("a dev row",)))
    filters.keep(("Kept before now.",))
    assert filters.reason(row, [("shown to the model",)]) == reason


def test_the_texts_of_a_pair_may_stand_in_either_order() -> None:
    filters = Filters(OPTIONS, scored=of(("one two", "three four")))
    assert filters.reason(("Three four", "one two.")) == LEAKED


def test_similarity_is_the_part_of_words_in_common() -> None:
    one, other = words_of(("a b c", "d")), words_of(("C, d", "e f"))
    assert similarity(one, other) == 2 / 6
    assert similarity(words_of(()), words_of(())) == 0


@given(TEXTS, TEXTS)
def test_similarity_is_one_of_the_same_and_does_not_hang_on_the_order(
    one: list[str], other: list[str]
) -> None:
    first, second = words_of(one), words_of(other)
    assert 0 <= similarity(first, second) == similarity(second, first) <= 1
    if first:
        assert similarity(first, first) == 1


@given(st.lists(TEXTS, max_size=8))
def test_no_two_rows_that_are_kept_are_alike(rows: list[list[str]]) -> None:
    filters = Filters(Synthesis(least_words=0, most_similar=0.6))
    kept = []
    for row in rows:
        if filters.reason(row) is None:
            filters.keep(row)
            kept.append(words_of(row))
    pairs = [(a, b) for n, a in enumerate(kept) for b in kept[:n]]
    assert all(similarity(a, b) <= 0.6 for a, b in pairs)
