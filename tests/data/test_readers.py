import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.readers import read_rows
from tlbench.errors import UserError

# No tab, no line end: what a TSV cell can hold. Unicode line separators are text like any other.
cells = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]), min_size=1)
tables = st.lists(st.tuples(cells, cells), min_size=1, max_size=8)


def rows(file: Path, file_format: str) -> list[tuple[str, str]]:
    return [(row["a"], row["b"]) for _, row in read_rows(file, file_format)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(table=tables, line_end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans())
def test_tsv_keeps_every_character_and_row(
    folder: Path, table: list[tuple[str, str]], line_end: str, mark: bool
) -> None:
    file = folder / "x.tsv"
    text = line_end.join(["a\tb", *("\t".join(row) for row in table), ""])
    file.write_text(text, "utf-8-sig" if mark else "utf-8", newline="")
    assert rows(file, "tsv") == table


@given(tables)
def test_csv_and_jsonl_keep_every_character_and_row(
    folder: Path, table: list[tuple[str, str]]
) -> None:
    with (folder / "x.csv").open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([("a", "b"), *table])
    assert rows(folder / "x.csv", "csv") == table
    lines = [json.dumps(dict(zip("ab", row, strict=True))) + "\n" for row in table]
    (folder / "x.jsonl").write_text("".join(lines))
    assert rows(folder / "x.jsonl", "jsonl") == table


def test_a_quote_in_a_tsv_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text('a\tb\nsays "hi\t""\nnext\t"row\n')
    assert rows(tmp_path / "x.tsv", "tsv") == [('says "hi', '""'), ("next", '"row')]


def test_blank_lines_of_csv_and_jsonl_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n\n3,4\n\n")
    (tmp_path / "x.jsonl").write_text('{"a": 1, "b": 2}\n\n')
    assert rows(tmp_path / "x.csv", "csv") == [("1", "2"), ("3", "4")]
    assert rows(tmp_path / "x.jsonl", "jsonl") == [(1, 2)]


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("p\t1\nq\t0\n")
    found = list(read_rows(tmp_path / "x.tsv", "tsv", header=False))
    assert found == [(1, {"0": "p", "1": "1"}), (2, {"0": "q", "1": "0"})]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.tsv", "a\tb\n1\t2\n1\t2\t3\n", r"x\.tsv, line 3 has 3 cells .* has 2"),
        ("x.csv", "a,b\n1,2\n1\n", r"x\.csv, line 3 has 1 cells"),
        ("x.csv", 'a,b\n"1,2\n', r"x\.csv, line 2 is not CSV"),
        ("x.jsonl", '{"a": 1}\n{"a": \n', r"x\.jsonl, line 2 is not JSON"),
        ("x.jsonl", "[1]\n", r"x\.jsonl, line 1 is not a JSON object"),
        ("x.tsv", "", r"x\.tsv has no rows"),
        ("x.tsv", "a\tb\n", r"x\.tsv has no rows"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=said):
        list(read_rows(tmp_path / name, name.rpartition(".")[2]))


def test_what_is_not_utf8_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n\xff\xfe\t1\n")
    with pytest.raises(UserError, match="not UTF-8"):
        list(read_rows(tmp_path / "x.tsv", "tsv"))
    with pytest.raises(UserError, match="can't be read"):
        list(read_rows(tmp_path / "y.tsv", "tsv"))
