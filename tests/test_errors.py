from hypothesis import given
from hypothesis import strategies as st

from tlbench.errors import UserError


@given(st.text())
def test_a_sentence_is_one_line_that_every_log_can_hold(text: str) -> None:
    said = str(UserError(f"Change '{text}'."))
    assert said.isprintable()
    said.encode()


def test_only_what_can_not_be_printed_is_escaped() -> None:
    assert str(UserError("déjà \N{OWL}\n\0\ud800 \\n")) == "déjà \N{OWL} \\x00\\ud800 \\n"
