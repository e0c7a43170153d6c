"""What is said of a task's rows before they are trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from tlbench.config.schema import Source, Task
from tlbench.data.overview import lines, overview, warnings
from tlbench.data.tokenization import tokenise
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.models.encoder import load_tokenizer

CLASSES = ["a", "b", "c", "d", "e", "f"]


def seen(
    cache: Path,
    texts: list[str],
    labels: list[float],
    classes: list[str] | None,
    length: int = 16,
    split: str = "train",
    used: int | None = None,
) -> dict[str, Any]:
    task = Task("mine", classes, ["f1"], ["f1"], Source("tsv", text=["a"], label="y"))
    rows = Dataset.from_dict({"text_a": texts, "label": labels})
    tokenizer = load_tokenizer("package:tlbench/assets/tiny", None)
    tokens = tokenise(rows, tokenizer, length, str(cache))
    drawn = np.arange(used or len(texts))
    return overview(rows, TokenizedSplit(task, split, tokens, drawn), tokenizer, str(cache))


def test_classes_duplicates_empty_texts_and_cut_rows(cache: Path) -> None:
    texts = ["some dogs run", "some dogs run", "some dogs run", "", " ", "dogs " * 30]
    found = seen(cache, texts, [0, 0, 1, 1, 1, 1], CLASSES)
    assert found["rows"] == 6
    assert found["labels"] == {"a": 2, "b": 4, "c": 0, "d": 0, "e": 0, "f": 0}
    assert (found["duplicates"], found["contradictory"], found["empty"]) == (2, 1, 2)
    assert (found["cut"], found["tokens_cut"]) == (1, 30 + 2 - 16)
    assert lines("mine", "train", found) == [
        "mine train: 6 rows; 6 classes, the rarest 'a' with 2; 4 without a row: c, d, e, f",
        "mine train: 2 duplicates (1 with another label), 2 with an empty text; 1 row cut, which "
        f"loses {16 / (found['tokens'] + 16):.1%} of all tokens",
    ]
    assert warnings("mine", "train", found) == ["mine train: no row has the label c, d, e, f"]


def test_a_row_of_just_the_length_is_not_cut(cache: Path) -> None:
    found = seen(cache, ["dogs " * 14, "dogs"], [0, 1], ["a", "b"])
    assert (found["cut"], found["tokens_cut"], found["tokens"]) == (0, 0, 19)
    assert lines("mine", "dev", found)[1].endswith("0 duplicates, 0 with an empty text; no row cut")


def test_numbers(cache: Path) -> None:
    found = seen(cache, ["x", "y"], [1.0, 2.0], None)
    assert lines("mine", "dev", found)[0] == "mine dev: 2 rows; numbers from 1 to 2, mean 1.5"
    assert warnings("mine", "dev", found) == []


@pytest.mark.parametrize(
    ("texts", "looks_quoted"),
    [
        (['"he said ""hi"""', "plain"], True),
        (['"he said ""hi"""', '6" tall'], False),
        (['"plain"', "plain"], False),
    ],
)
def test_a_tsv_of_pandas_is_noticed(cache: Path, texts: list[str], looks_quoted: bool) -> None:
    found = seen(cache, texts, [0, 1], ["a", "b"])
    assert found["looks_quoted"] is looks_quoted
    said = ["mine train: its texts look quoted, as pandas writes a TSV; source.quoting=true takes"]
    assert [line[: len(said[0])] for line in warnings("mine", "train", found)] == said[
        :looks_quoted
    ]


def test_quotes_are_judged_by_all_rows_of_train(cache: Path) -> None:
    """QQP's files have cells that are quoted and cells that are not; a few rows may look so."""
    texts = ['"he said ""hi"""', '6" tall']
    assert not seen(cache, texts, [0, 1], ["a", "b"], used=1)["looks_quoted"]
    assert not seen(cache, texts[:1], [0], ["a", "b"], split="dev")["looks_quoted"]
