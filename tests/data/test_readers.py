import csv
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.readers import FileFormat, read_rows
from tlbench.errors import UserError

# No tab, no line end: what a TSV cell can hold. Unicode line separators are text like any other.
tsv_cells = st.text(st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]))
cells = st.text(st.characters(exclude_categories=["Cs"]))
FORMATS = ("tsv", "csv", "jsonl", "parquet")


def tables(of: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.tuples(of, of), min_size=1, max_size=8)


def usable(file: Path, file_format: str) -> list[dict[str, Any]]:
    """The rows of a file; what is wrong with the first that can't be used is raised."""
    found = []
    for _, row in read_rows(file, FileFormat(file_format)):
        if isinstance(row, UserError):
            raise row
        found.append(row)
    return found


def rows(file: Path, file_format: str) -> list[tuple[str, str]]:
    return [(row["a"], row["b"]) for row in usable(file, file_format)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(table=tables(tsv_cells), line_end=st.sampled_from(["\n", "\r\n"]), mark=st.booleans())
def test_tsv_keeps_every_character_and_row(
    folder: Path, table: list[tuple[str, str]], line_end: str, mark: bool
) -> None:
    file = folder / "x.tsv"
    text = line_end.join(["a\tb", *("\t".join(row) for row in table), ""])
    file.write_text(text, "utf-8-sig" if mark else "utf-8", newline="")
    assert rows(file, "tsv") == table


@given(table=tables(cells), mark=st.booleans())
def test_csv_jsonl_and_parquet_keep_every_character_and_row(
    folder: Path, table: list[tuple[str, str]], mark: bool
) -> None:
    encoding = "utf-8-sig" if mark else "utf-8"
    with (folder / "x.csv").open("w", encoding=encoding, newline="") as opened:
        csv.writer(opened, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *table])
    assert rows(folder / "x.csv", "csv") == table
    lines = [json.dumps(dict(zip("ab", row, strict=True))) + "\n" for row in table]
    (folder / "x.jsonl").write_text("".join(lines), encoding)
    assert rows(folder / "x.jsonl", "jsonl") == table
    columns = dict(zip("ab", zip(*table, strict=True), strict=True))
    pq.write_table(pa.table(columns), folder / "x.parquet")
    assert rows(folder / "x.parquet", "parquet") == table


PIECES = [
    b"a",
    b"b",
    b"\t",
    b",",
    b'"',
    b"\n",
    b"\r",
    b"{",
    b"}",
    b'"a":',
    b"1",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\0",
    b"null",
    b"[",
    b"PAR1",
    "\N{OWL}".encode(),
    b"\\ud800",
]


@given(
    content=st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(PIECES)).map(b"".join)),
    file_format=st.sampled_from(FORMATS),
    header=st.booleans(),
)
def test_any_bytes_are_rows_or_one_sentence(
    folder: Path, content: bytes, file_format: str, header: bool
) -> None:
    file = folder / "any"
    file.write_bytes(content)
    try:
        numbered = list(read_rows(file, FileFormat(file_format, header)))
    except UserError as error:
        message = str(error)
        assert message.startswith("Change the task's source: ")
        assert message.isprintable()
    else:
        assert numbered
        if file_format == "tsv":  # a row for every line, none left out
            end = b"\n" if b"\n" in content else b"\r"
            assert len(numbered) == len(content.removesuffix(end).split(end)) - header


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
    numbered = list(read_rows(tmp_path / "x.tsv", FileFormat("tsv", header=False)))
    assert numbered == [(1, {"0": "p", "1": "1"}), (2, {"0": "q", "1": "0"})]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tsv", "a\tb\n1\t2\n1\t2\t3\n", r"x\.tsv, line 3 has 3 fields .* has 2"),
        ("x.csv", "a,b\n1,2\n1\n", r"x\.csv, line 3 has 1 fields"),
        ("x.csv", 'a,b\n"1,2\n', r"x\.csv, line 2 is not CSV"),
        ("x.jsonl", '{"a": 1}\n{"a": \n', r"x\.jsonl, line 2 is not JSON"),
        ("x.jsonl", "[1]\n", r"x\.jsonl, line 1 is not a JSON object"),
        ("x.jsonl", "[" * 100_000, r"x\.jsonl, line 1 is not JSON"),
        ("x.jsonl", '{"a": 1, "a": 2}\n', r"x\.jsonl, line 1 has two columns 'a'"),
        ("x.tsv", "a\tb\ta\n1\t2\t3\n", r"x\.tsv, line 1 has two columns 'a'"),
        ("x.csv", "a,a\n1,2\n", r"x\.csv, line 1 has two columns 'a'"),
        ("x.parquet", "PAR1", r"x\.parquet is not a Parquet file"),
        ("x.tsv", "", r"x\.tsv has no rows"),
        ("x.jsonl", "\n", r"x\.jsonl has no rows"),
        ("x.tsv", "a\tb\n", r"x\.tsv has no rows"),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        list(usable(tmp_path / name, name.rpartition(".")[2]))


def test_a_field_may_have_any_length(tmp_path: Path) -> None:
    cell = "x" * 200_000
    (tmp_path / "x.csv").write_text(f"a,b\n{cell},2\n")
    assert rows(tmp_path / "x.csv", "csv") == [(cell, "2")]


def test_parquet_files_without_rows_or_with_two_columns_of_a_name(tmp_path: Path) -> None:
    empty = pa.table({"a": pa.array([], pa.string())})
    two = pa.table([["x"], ["y"]], names=["a", "a"])
    for table, message in ((empty, "has no rows"), (two, "has two columns 'a'")):
        pq.write_table(table, tmp_path / "x.parquet")
        with pytest.raises(UserError, match=message):
            list(read_rows(tmp_path / "x.parquet", FileFormat("parquet")))


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is not a file"):
        list(read_rows(tmp_path / "pipe", FileFormat("tsv")))


def test_what_is_not_utf8_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n\xff\xfe\t1\n")
    with pytest.raises(UserError, match="not UTF-8"):
        list(read_rows(tmp_path / "x.tsv", FileFormat("tsv")))
    with pytest.raises(UserError, match="can't be read"):
        list(read_rows(tmp_path / "y.tsv", FileFormat("tsv")))


def test_dates_beyond_pythons_range_are_refused_only_where_they_are_used(tmp_path: Path) -> None:
    when = pa.array([2**61, 0], pa.timestamp("us"))
    table = pa.table({"a": ["x", "y"], "when": when, "days": pa.array([2**30, 0], pa.date32())})
    pq.write_table(table, tmp_path / "t.parquet")
    (_, first), (_, second) = read_rows(tmp_path / "t.parquet", FileFormat("parquet"))
    assert (first["a"], second["a"]) == ("x", "y")
    assert repr(first["when"]) == "a timestamp[us] beyond Python's"
    assert repr(first["days"]) == "a date32[day] beyond Python's"
    assert second["days"].year == 1970


@pytest.mark.parametrize("changed", [{4: b"\xff"}, {8: b"\x63"}, {6: b"\x01"}])
def test_a_zip_of_another_kind_is_one_sentence(tmp_path: Path, changed: dict[int, bytes]) -> None:
    """One of another version, of another compression, and one with a password."""
    file = tmp_path / "rows.csv.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", "a,b\n1,2\n")
    content = bytearray(file.read_bytes())
    for start, extra in (0, 0), (content.index(b"PK\1\2"), 2):
        for place, byte in changed.items():
            content[start + place + extra : start + place + extra + 1] = byte
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"^Change .*rows\.csv\.zip can't be decompressed"):
        list(read_rows(file, FileFormat("csv")))
