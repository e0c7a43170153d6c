import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.config.schema import Source, Task
from tlbench.data.parsing import canonical
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of


def task(labels: list[str] | None) -> Task:
    return Task("mine", labels, ["accuracy"], ["accuracy"], Source("jsonl", text=["a"], label="y"))


CLASSES, NUMBERS = task(["no", "yes"]), task(None)


def read(task: Task, row: dict[str, Any]) -> dict[str, Any]:
    return canonical(task, row, kind_of(task).labeller(), "x.jsonl, line 7")


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.sampled_from(["no", "yes", "nan", "inf", "1e999", "", "\ud800", "\n", 10**400]),
    st.lists(st.integers()),
    st.dictionaries(st.text(), st.none()),
    st.datetimes(),
    st.decimals(),
)


@given(text=ANYTHING, label=ANYTHING, of=st.sampled_from([CLASSES, NUMBERS]))
def test_any_row_is_taken_as_it_is_or_refused_in_one_sentence(
    text: Any, label: Any, of: Task
) -> None:
    try:
        parsed = read(of, {"a": text, "y": label})
    except UserError as error:
        message = str(error)
        assert message.startswith("Change ")
        assert "x.jsonl, line 7" in message
        assert message.isprintable()
        assert len(message) < 500
    else:
        is_nothing = text is None or text != text
        assert parsed["text_a"] == ("" if is_nothing else str(text))
        assert parsed["text_a"].encode().decode() == parsed["text_a"]
        if of is CLASSES:
            assert parsed["label"] == ["no", "yes"].index(label)
        else:
            assert math.isfinite(parsed["label"])
            assert parsed["label"] == float(label)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"y": "no"}, "has no column 'a' .it has y."),
        ({"a": "x", "y": None}, "has nothing in column 'y'; source.keep can leave such rows out"),
        ({"a": "x", "y": math.nan}, "has nothing in column 'y'"),
        ({"a": ["x"], "y": "no"}, r"column 'a' has \['x'\] where a text belongs"),
        ({"a": True, "y": "no"}, "has True where a text belongs"),
        ({"a": datetime.date(2026, 1, 1), "y": "no"}, "where a text belongs"),
        ({"a": "x\ud800", "y": "no"}, r"has half a character, the lone surrogate \\ud800"),
        ({"a": "x", "y": "maybe"}, "has the label 'maybe', known are no, yes"),
        ({"a": "x", "y": "maybe"}, "or have source.keep leave such rows out"),
        ({"a": "x", "y": " no"}, "^Change source.strip to true of task"),
        ({"a": "x", "y": "m" * 100_000}, r"has the label 'mmmm\w+\.\.\.m+', known"),
    ],
)
def test_a_wrong_row_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(CLASSES, row)


@pytest.mark.parametrize("label", ["nan", "inf", "", "two", True, [1], 10**400])
def test_what_is_no_finite_number_is_no_label_of_a_regression(label: Any) -> None:
    with pytest.raises(UserError, match="where a regression needs a number"):
        read(NUMBERS, {"a": "x", "y": label})


def test_a_number_is_a_text_and_a_text_a_number() -> None:
    assert read(NUMBERS, {"a": 5, "y": " 2.5"}) == {"text_a": "5", "label": 2.5}
