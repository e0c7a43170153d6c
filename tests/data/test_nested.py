"""Rows whose cells hold objects, as those of MultiRC."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.config.schema import Source, Task
from tlbench.data.nested import flat_rows
from tlbench.data.sources import splits
from tlbench.errors import UserError

PATH = "passage.questions.answers"
ROW: dict[str, Any] = {
    "idx": 3,
    "passage": {
        "text": "P",
        "questions": [
            {"question": "A?", "answers": [{"text": "a", "label": 0}, {"text": "b", "label": 1}]},
            {"question": "B?", "answers": []},
            {"question": "C?", "answers": [{"text": "c", "label": 1}]},
        ],
    },
}


def test_a_row_is_made_of_every_object_of_the_list_with_what_is_around_it() -> None:
    rows = [*flat_rows(ROW, PATH, "x")]
    assert rows[0] == {
        "idx": 3,
        "passage.text": "P",
        "passage.questions.question": "A?",
        "passage.questions.answers.text": "a",
        "passage.questions.answers.label": 0,
    }
    assert [row["passage.questions.answers.text"] for row in rows] == ["a", "b", "c"]
    assert [row["passage.questions.question"] for row in rows] == ["A?", "A?", "C?"]


def test_without_it_members_of_objects_are_columns_and_lists_stay_cells() -> None:
    (row,) = flat_rows({"a": {"b": {"c": 1}, "d": [2]}, "e": None}, None, "x")
    assert row == {"a.b.c": 1, "a.d": [2], "e": None}


@given(
    st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.text(), st.lists(st.none())))
)
def test_a_row_without_objects_is_as_it_was(row: dict[str, Any]) -> None:
    assert [*flat_rows(row, None, "x")] == [row]


@pytest.mark.parametrize(
    ("path", "absent"),
    [
        ("answers", "answers"),
        ("passage.text", "passage.text"),
        ("passage.questions.others", "passage.questions.others"),
        ("passage.questions.question.x", "passage.questions.question"),
        ("passage", "passage"),
    ],
)
def test_where_there_is_no_such_list_it_is_said(path: str, absent: str) -> None:
    message = rf"Change source.explode: f.jsonl, line 2 has no list of objects at '{absent}'\."
    with pytest.raises(UserError, match=message):
        [*flat_rows(ROW, path, "f.jsonl, line 2")]


def test_members_are_kept_cut_and_named_like_any_column(tmp_path: Path, cache: Path) -> None:
    rows = [{"a": {"text": text, "y": y}} for text, y in [("one", "n"), ("two", "y")]]
    lines = [json.dumps(row) for row in rows]
    for name in ("train", "dev"):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    columns = {"template": ["<{a.text}>"], "label": "a.y", "keep": "column('a.text') != 'two'"}
    source = Source("jsonl", str(tmp_path), **columns)
    task = Task("t", ["n", "y"], ["accuracy"], ["accuracy"], source)
    assert splits(task)["train"].load(str(cache))[:] == {"text_a": ["<one>"], "label": [0.0]}
    task.source.template = ["{a}"]
    with pytest.raises(UserError, match=r"has no column 'a' \(it has a.text, a.y\)"):
        splits(task)["train"].load(str(cache))
