from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from scripts.encoder_families import save
from tlbench.models.encoder import load_tokenizer
from tlbench.models.probe_rows import ProbeRows

TINY = load_tokenizer("package:tlbench/assets/tiny", None)


@given(st.integers(5, 700))
def test_a_pair_has_as_many_tokens_as_requested(tokens: int) -> None:
    row = ProbeRows(TINY).pair(tokens)
    assert row.keys() == {"input_ids", "token_type_ids", "attention_mask"}
    assert {len(values) for values in row.values()} == {tokens}
    ids = row["input_ids"]
    assert (ids[0], ids[-1]) == (TINY.cls_token_id, TINY.sep_token_id)
    assert ids.count(TINY.sep_token_id) == 2
    assert row["token_type_ids"] == sorted(row["token_type_ids"])
    assert set(row["token_type_ids"]) == {0, 1}


def test_the_words_are_the_vocabularys_last() -> None:
    rows = ProbeRows(TINY)
    ids = rows.pair(100)["input_ids"]
    assert max(ids) == max(rows.words) == len(TINY) - 1
    assert len(set(ids)) > 90


def test_the_last_word_is_replaced_by_another() -> None:
    rows = ProbeRows(TINY)
    row = rows.pair(9)
    other = rows.with_other_last_word(row)
    assert other["input_ids"][:-1] == row["input_ids"][:-1]
    assert other["input_ids"][-1] != row["input_ids"][-1]
    assert rows.with_other_last_word(other)["input_ids"][-1] != other["input_ids"][-1]


def test_no_text_is_a_row_of_special_tokens_which_a_batch_pads() -> None:
    rows = ProbeRows(TINY)
    batch = rows.batch([rows.empty, rows.pair(7)])
    assert batch["input_ids"].shape == (2, 7)
    assert batch["input_ids"][0].tolist() == [
        TINY.cls_token_id,
        TINY.sep_token_id,
        *[TINY.pad_token_id] * 5,
    ]
    assert batch["attention_mask"].sum(1).tolist() == [2, 7]


@pytest.mark.parametrize("names", [["input_ids"], ["input_ids", "token_type_ids"]])
def test_a_row_has_what_the_tokenizer_gives(names: list[str], tmp_path: Path) -> None:
    save("bert", tmp_path)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path, model_input_names=names)
    rows = ProbeRows(tokenizer)
    assert list(rows.pair(20)) == list(rows.empty) == names
