import pytest

from tlbench.config.schema import Source, Task
from tlbench.data.keep import row_filter
from tlbench.data.readers import Row
from tlbench.errors import UserError


def keeps(expression: str, row: Row) -> bool:
    source = Source("csv", text=["a"], label="y", keep=expression)
    return row_filter(Task("mine", ["x"], ["accuracy"], ["accuracy"], source))(row, "line 2")


@pytest.mark.parametrize("label", [-1, "-1", -1.0])
@pytest.mark.parametrize("expression", ["label != -1", "label != '-1'", "not label == -1"])
def test_a_cell_is_compared_as_what_it_is_compared_with(expression: str, label: object) -> None:
    if label == -1.0 and isinstance(label, float) and "'" in expression:
        return  # a fraction is not written so
    assert not keeps(expression, {"label": label})
    assert keeps(expression, {"label": "0"})


@pytest.mark.parametrize(
    ("expression", "row", "kept"),
    [
        ("label != '-'", {"label": "-"}, False),
        ("stars > 3", {"stars": "4"}, True),
        ("stars > 3", {"stars": "none"}, False),
        ("lang in ('en', 'de') and len(text) >= 2", {"lang": "de", "text": "ja"}, True),
        ("'http' not in text", {"text": "see http://x"}, False),
        ("text", {"text": ""}, False),
        ("text != None", {"text": None}, False),
        ("column('#1 String') == 'x'", {"#1 String": "x"}, True),
    ],
)
def test_expressions_over_columns(expression: str, row: Row, kept: bool) -> None:
    assert keeps(expression, row) is kept


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("label =", "it can't be read"),
        ("label; label", "it can't be read"),
        ("lable != 1", "it can't be computed of line 2 .'lable' is not defined"),
        ("column('b')", "it can't be computed of line 2 .there is no column 'b'"),
        ("label > 'x'", "it can't be computed of line 2"),
        ("__import__('os')", "it can't be computed of line 2"),
    ],
)
def test_what_is_no_expression_is_one_sentence(expression: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^Change source.keep of task 'mine': {message}"):
        keeps(expression, {"label": "1"})
