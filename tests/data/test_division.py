import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tlbench.data.division import Division, normalised
from tlbench.data.readers import Row
from tlbench.errors import UserError

DIVISION = Division({"dev": 0.2, "test": 0.1}, seed=0, has_classes=True)


def rows(labels: list[float], texts: list[str] | None = None) -> list[Row]:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    return [{"text_a": text, "label": label} for text, label in zip(texts, labels, strict=True)]


def test_every_class_is_cut_in_the_given_shares() -> None:
    labels = [0.0] * 100 + [1.0] * 50 + [2.0] * 10
    sides = DIVISION.side_of_rows(rows(labels))
    per_class = [np.bincount(sides[np.array(labels) == c]).tolist() for c in range(3)]
    assert per_class == [[70, 20, 10], [35, 10, 5], [7, 2, 1]]


def test_sides_are_of_their_sizes_where_all_classes_are_small() -> None:
    labels = [float(label) for label in range(30) for _ in range(3)]
    sides = DIVISION.side_of_rows(rows(labels))
    assert np.bincount(sides).tolist() == [63, 18, 9]
    assert {labels[row] for row in np.flatnonzero(sides == 0)} == set(labels)


def test_another_seed_is_another_draw_and_the_same_seed_the_same() -> None:
    of = rows([0.0, 1.0] * 50)
    other = Division(DIVISION.fractions, seed=1, has_classes=True)
    assert (DIVISION.side_of_rows(of) == DIVISION.side_of_rows(of)).all()
    assert (DIVISION.side_of_rows(of) != other.side_of_rows(of)).any()


@given(
    texts=st.lists(st.sampled_from([f"Text {i}" for i in range(30)]), min_size=40, max_size=80),
    seed=st.integers(0, 5),
)
def test_texts_that_are_the_same_up_to_case_and_punctuation_are_on_one_side(
    texts: list[str], seed: int
) -> None:
    written = [text.upper() + "!" if i % 2 else text for i, text in enumerate(texts)]
    assume(len(set(texts)) > 5)  # else a side may get none
    sides = Division({"dev": 0.3}, seed, True).side_of_rows(rows([0.0] * len(texts), written))
    for text in set(texts):
        assert len({side for side, other in zip(sides, texts, strict=True) if other == text}) == 1


def test_what_stands_there_twice_is_as_frequent_on_every_side() -> None:
    texts = [f"text {i // 2 if i < 400 else i}" for i in range(1000)]
    sides = DIVISION.side_of_rows(rows([0.0, 1.0] * 500, texts))
    assert np.bincount(sides).tolist() == [700, 200, 100]
    twice = np.bincount(sides[:400])
    assert abs(twice - np.array([280, 80, 40])).max() <= 20


def test_groups_that_are_linked_through_others_are_one() -> None:
    of = rows([0.0] * 40, ["a", "b", "b", "c", *(f"text {i}" for i in range(36))])
    for row, group in zip(of, ["x", "x", "y", "y", *map(str, range(36))], strict=True):
        row["group"] = group
    for seed in range(10):
        sides = Division({"dev": 0.5}, seed, has_classes=True).side_of_rows(of)
        assert len(set(sides[:4])) == 1
        assert np.bincount(sides).tolist() == [20, 20]


def test_numbers_are_cut_in_tenths_of_their_range() -> None:
    labels = np.random.default_rng(0).normal(size=1000)
    sides = Division({"dev": 0.2}, 0, has_classes=False).side_of_rows(rows(labels.tolist()))
    assert abs(np.median(labels[sides == 1]) - np.median(labels)) < 0.1
    assert (sides == 1).sum() == 200


def test_a_side_without_rows_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^Change source.dev=0.2 and source.test=0.1: of 3"):
        DIVISION.side_of_rows(rows([0.0, 0.0, 1.0]))


def test_what_editors_change_is_no_part_of_a_normalised_text() -> None:
    assert normalised(" It's  DONE!\n") == normalised("it’s done") == "it s done"
    assert normalised("\N{OWL}") != normalised("\N{CAT}")
