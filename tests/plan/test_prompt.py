"""What a language model is asked, and which of its answers are rows."""

import pytest

from tlbench.config.schema import Synthesis
from tlbench.errors import UserError
from tlbench.plan.prompt import answer, check_prompt, is_whole, parse, plain, request, turns

LABELS = ["entailment", "not_entailment"]
PAIR = ("A dog barks.", "An animal barks.")


def test_labels_are_asked_for_in_words() -> None:
    asked = request(Synthesis(), LABELS, "not_entailment", texts=1)
    assert asked == 'Write one new text with the label "not entailment".'
    own = Synthesis(prompt="{label} of {labels}; {{}}", label_words={"entailment": "yes"})
    assert request(own, LABELS, "entailment", texts=2) == "yes of yes, not entailment; {}"


def test_examples_are_answers_given_before() -> None:
    assert answer(("two\n lines",)) == "Text: two lines"
    assert answer(PAIR) == "Text 1: A dog barks.\nText 2: An animal barks."
    assert plain("Write.", [PAIR]) == f"Write.\n{answer(PAIR)}\n\nWrite.\n"
    assert turns("Write.", [PAIR]) == [
        {"role": "user", "content": "Write."},
        {"role": "assistant", "content": answer(PAIR)},
        {"role": "user", "content": "Write."},
    ]


@pytest.mark.parametrize(
    ("written", "texts", "expected"),
    [
        (" good", 1, ("good",)),
        (' "Good, she said."\nText: more', 1, ("Good, she said.",)),
        ("  spaces   inside \n\n", 1, ("spaces inside",)),
        ('"one" and "two"', 1, ('"one" and "two"',)),
        (" a\nText 2: b", 2, ("a", "b")),
        (" a\nText 2: b\n\nAnd so on", 2, ("a", "b")),
        ("", 1, None),
        (' ""', 1, None),
        (" a", 2, None),
        (" a\nb", 2, None),
        (" a\n\nText 2: b", 2, None),
        (" a\nText 2:", 2, None),
        (" a Text 2: b", 2, None),
        (" a Text: b", 1, None),
        (" a Label: b", 1, None),
    ],
)
def test_an_answer_is_read_strictly(
    written: str, texts: int, expected: tuple[str, ...] | None
) -> None:
    assert parse(written, texts, has_ended=True) == expected


def test_what_an_answer_means_is_found_again() -> None:
    for row in (PAIR, ("one text",)):
        _, _, after = answer(row).partition(":")
        assert parse(after, len(row), has_ended=True) == row


def test_an_answer_that_was_cut_off_is_none_but_for_what_comes_after_the_row() -> None:
    assert parse(" a b", 1, has_ended=False) is None
    assert parse(" a b\nmore", 1, has_ended=False) == ("a b",)
    assert [is_whole(text, 2) for text in (" a", "\n a\nb", " a\nText 2: b\n")] == [0, 0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "{label} {"}, r"synthesis\.prompt: '\{label\} \{'"),
        ({"prompt": "{label} {text}"}, r"synthesis\.prompt: in braces it has \{label\}"),
        ({"prompt": "{label!r}"}, r"synthesis\.prompt: in braces it has \{label\}"),
        ({"prompt": "Write a row."}, r"synthesis\.prompt: it does not say \{label\}"),
        ({"label_words": {"maybe": "x"}}, r"synthesis\.label_words: 'maybe' is none of the labels"),
    ],
)
def test_what_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"^Change {message}"):
        check_prompt(Synthesis(**options), LABELS)  # type: ignore[arg-type]
