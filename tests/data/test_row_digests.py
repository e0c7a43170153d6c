"""The same texts are found again, in either order and as an editor may have changed them."""

from pathlib import Path

import pytest
from datasets import Dataset

from tlbench.data.row_digests import column, row_digests


def digests(cache: Path, *pairs: tuple[str, str]) -> Dataset:
    rows = Dataset.from_dict({"text_a": [a for a, _ in pairs], "text_b": [b for _, b in pairs]})
    return row_digests(rows, str(cache))


@pytest.mark.parametrize(
    ("other", "exact", "normalised"),
    [
        (("A dog barks.", "no"), True, True),
        (("no", "A dog barks."), True, True),
        (("a DOG  barks", "No!"), False, True),
        (("a dog bark", "no"), False, False),
        (("A dog barks.n", "o"), False, False),
    ],
)
def test_pairs_of_the_same_texts(
    cache: Path, other: tuple[str, str], exact: bool, normalised: bool
) -> None:
    found = digests(cache, ("A dog barks.", "no"), other)
    for name, same in (("exact", exact), ("normalised", normalised)):
        first, second = column(found, name)
        assert bool(first == second) is same


def test_texts_of_nothing_are_empty(cache: Path) -> None:
    found = digests(cache, ("a", " \n"), ("a", "b"))
    assert column(found, "empty").tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "quoted", "bare"),
    [
        ('"he said ""hi"""', True, False),
        ('"plain"', False, False),
        ('"', False, True),
        ('he said "hi"', False, True),
        ('"half', False, True),
        ('"one" and "two"', False, True),
        ("none", False, False),
    ],
)
def test_quotes_as_the_writer_of_a_csv_has_them(
    cache: Path, text: str, quoted: bool, bare: bool
) -> None:
    found = digests(cache, (text, "x"))
    assert (column(found, "quoted")[0], column(found, "bare")[0]) == (quoted, bare)


def test_one_text_is_not_a_pair(cache: Path) -> None:
    one = row_digests(Dataset.from_dict({"text_a": ["x"]}), str(cache))
    assert column(one, "exact")[0] != column(digests(cache, ("x", "")), "exact")[0]
