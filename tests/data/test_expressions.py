import pytest

from tlbench.data.expressions import Cell, has_word


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("There is nobody here.", True),
        ("No!", True),
        ("it was not 'never'", True),
        ("nothingness", False),
        ("I know nobodies", False),
        ("no-one", False),  # with no punctuation it is one word, as for Sagawa et al.
        ("", False),
    ],
)
def test_a_word_is_one_between_white_space_whatever_its_case(text: str, found: bool) -> None:
    words = ("nobody", "no", "Never", "nothing")
    assert has_word(text, *words) is has_word(Cell(text), *words) is found
