"""What transformers can't read of an encoder's files is said in a sentence that helps."""

from typing import Any

import pytest

from tlbench.errors import UserError
from tlbench.models import loading


class Auto:
    """Stands for an ``Auto`` class; it says what transformers 5 says of DeBERTa-v3's tokenizer."""

    @staticmethod
    def from_pretrained(folder: str, **options: Any) -> None:
        raise ValueError("`tiktoken` is required to read a `tiktoken` file.")


@pytest.mark.parametrize(
    ("installed", "said"),
    [
        (None, "^Change encoder, or pip install sentencepiece: the tokenizer of 'org/name' can't"),
        (object(), r"^Change encoder \(.* can't be loaded \(`tiktoken` is required"),
    ],
)
def test_a_tokenizer_that_needs_sentencepiece(
    monkeypatch: pytest.MonkeyPatch, installed: object, said: str
) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda _: installed)
    with pytest.raises(UserError, match=said):
        loading.load_from_files(Auto, "org/name", None, trust_remote_code=False)
