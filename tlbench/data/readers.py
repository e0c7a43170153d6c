"""Rows of local TSV, CSV, JSON lines and Parquet files, each with its number."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from tlbench.errors import UserError

Row = dict[str, Any]
NumberedRow = tuple[int, Row]
_MAX_FIELD = 2**31 - 1  # characters of a CSV field; Python's own limit is 131,072


class _UnreadableError(Exception):
    """Says what is wrong with a file, in words that begin with its name."""


def read_rows(
    file: Path, file_format: str, header: bool = True, change: str = "the task's source"
) -> Iterator[NumberedRow]:
    """Yield (line number, row) for every row of ``file``; of Parquet files, the row's number.

    A row maps column names to values; without a header the names are ``"0"``, ``"1"``, ...

    Args:
        change: what a person changes to give another file, for messages.

    Raises:
        UserError: naming file and line, if a row has not as many fields as the first line, is not
            JSON, names a column twice, or is not UTF-8; and if the file has no rows at all.
    """
    empty = True
    try:
        if file.exists() and not file.is_file():  # a device or a pipe may never end
            raise _UnreadableError(f"{file} is not a file")
        for numbered_row in _READERS[file_format](file, header):
            empty = False
            yield numbered_row
        if empty:
            raise _UnreadableError(f"{file} has no rows")
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"Change {change}: {file} can't be read ({reason}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"Change {change}: {file} is not UTF-8 text ({error}).") from error
    except _UnreadableError as error:
        raise UserError(f"Change {change}: {error}.") from error


def _rows_by_column(
    file: Path, lines: Iterable[tuple[int, list[str]]], header: bool
) -> Iterator[NumberedRow]:
    """Yield rows that map column names to fields, from lines of fields.

    Raises:
        UserError: if two columns have one name, or a line has not as many fields as the first.
    """
    columns: list[str] | None = None
    for number, fields in lines:
        if columns is None:
            columns = fields if header else [str(i) for i in range(len(fields))]
            _check_unique(file, number, columns)
            if header:
                continue
        if len(fields) != len(columns):
            raise _UnreadableError(
                f"{file}, line {number} has {len(fields)} fields where "
                f"the first line has {len(columns)}"
            )
        yield number, dict(zip(columns, fields, strict=True))


def _check_unique(file: Path, line: int, columns: Sequence[str]) -> None:
    # In a row with two columns of one name the second would silently replace the first.
    duplicates = [name for name, count in Counter(columns).items() if count > 1]
    if duplicates:
        raise _UnreadableError(f"{file}, line {line} has two columns '{duplicates[0]}'; rename one")


def _tsv(file: Path, header: bool) -> Iterator[NumberedRow]:
    # utf-8-sig: the byte-order mark that Excel writes would become part of the first column's name.
    # And only \n ends a line: a text may hold any other character that Unicode counts as one.
    with file.open(encoding="utf-8-sig", newline="\n") as opened:
        # GLUE's TSVs know no quoting: a double quote is a character like any other. So Python's
        # csv module, and pandas with its defaults, would merge or drop rows.
        lines = ((n, line.rstrip("\r\n").split("\t")) for n, line in enumerate(opened, start=1))
        yield from _rows_by_column(file, lines, header)


def _csv(file: Path, header: bool) -> Iterator[NumberedRow]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        yield from _rows_by_column(file, _csv_lines(file, opened), header)


def _csv_lines(file: Path, opened: TextIO) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_FIELD)
    # strict: an unclosed quote is an error, and does not swallow the rest of the file.
    reader = csv.reader(opened, strict=True)
    try:
        for fields in reader:
            if fields:  # a blank line is no row
                yield reader.line_num, fields
    except csv.Error as error:
        raise _UnreadableError(f"{file}, line {reader.line_num} is not CSV ({error})") from error


def _json_lines(file: Path, header: bool) -> Iterator[NumberedRow]:
    del header  # every JSON row carries its own names
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for number, line in enumerate(opened, start=1):
            if line.strip():
                yield number, _json_row(file, number, line)


def _json_row(file: Path, number: int, line: str) -> Row:
    # json alone would keep the last of two values of one name.
    def to_row(pairs: list[tuple[str, Any]]) -> Row:
        _check_unique(file, number, [name for name, _ in pairs])
        return dict(pairs)

    try:
        row = json.loads(line, object_pairs_hook=to_row)
    except (ValueError, RecursionError) as error:
        raise _UnreadableError(f"{file}, line {number} is not JSON ({error})") from error
    if not isinstance(row, dict):
        raise _UnreadableError(f"{file}, line {number} is not a JSON object")
    return row


def _parquet(file: Path, header: bool) -> Iterator[NumberedRow]:
    del header  # the schema names the columns
    try:
        with pq.ParquetFile(file) as opened:
            _check_unique(file, 1, opened.schema_arrow.names)
            batches = opened.iter_batches(batch_size=1000)  # the file may exceed memory
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except pa.ArrowException as error:
        raise _UnreadableError(f"{file} is not a Parquet file ({error})") from error


_READERS: dict[str, Callable[[Path, bool], Iterator[NumberedRow]]] = {
    "tsv": _tsv,
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}
FILE_FORMATS = tuple(_READERS)
