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
Numbered = tuple[int, Row]
_MOST_CHARACTERS = 2**31 - 1  # of a CSV cell; Python's own limit is 131,072


def read_rows(file: Path, file_format: str, header: bool = True) -> Iterator[Numbered]:
    """Yield (line number, row) for every row of ``file``; of Parquet files, the row's number.

    A row maps column names to cells; without a header the names are ``"0"``, ``"1"``, ...

    Raises:
        UserError: naming file and line, if a row has not as many cells as the first line, is not
            JSON, names a column twice, or is not UTF-8; and if the file has no rows at all.
    """
    empty = True
    try:
        if file.exists() and not file.is_file():  # a device or a pipe would be read without an end
            raise UserError(f"Change the task's source: {file} is not a file.")
        for numbered in _READERS[file_format](file, header):
            empty = False
            yield numbered
    except OSError as error:
        raise UserError(
            f"Change the task's source: {file} can't be read ({error.strerror or error})."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"Change the task's source: {file} is not UTF-8 text ({error}).") from error
    if empty:
        raise UserError(f"Change the task's source: {file} has no rows.")


def _named(file: Path, rows: Iterable[tuple[int, list[str]]], header: bool) -> Iterator[Numbered]:
    names: list[str] | None = None
    for line, cells in rows:
        if names is None:
            names = cells if header else [str(i) for i in range(len(cells))]
            _refuse_twice(file, line, names)
            if header:
                continue
        if len(cells) != len(names):
            raise UserError(
                f"Change the task's source: {file}, line {line} has {len(cells)} cells where the "
                f"first line has {len(names)}."
            )
        yield line, dict(zip(names, cells, strict=True))


def _refuse_twice(file: Path, line: int, names: Sequence[str]) -> None:
    # In a row of two columns of one name the second would hide the first.
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(
            f"Change the task's source: {file}, line {line} has two columns '{twice[0]}'; rename "
            "one."
        )


def _tsv(file: Path, header: bool) -> Iterator[Numbered]:
    with file.open(encoding="utf-8-sig", newline="\n") as lines:
        # GLUE's TSVs know no quoting: a double quote is a character like any other.
        rows = ((n, line.rstrip("\r\n").split("\t")) for n, line in enumerate(lines, start=1))
        yield from _named(file, rows, header)


def _csv(file: Path, header: bool) -> Iterator[Numbered]:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        yield from _named(file, _cells(file, lines), header)


def _cells(file: Path, lines: TextIO) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MOST_CHARACTERS)
    reader = csv.reader(lines, strict=True)
    try:
        for cells in reader:
            if cells:  # a blank line is no row
                yield reader.line_num, cells
    except csv.Error as error:
        raise UserError(
            f"Change the task's source: {file}, line {reader.line_num} is not CSV ({error})."
        ) from error


def _json_lines(file: Path, header: bool) -> Iterator[Numbered]:
    del header  # every JSON row carries its own names
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for n, line in enumerate(lines, start=1):
            if line.strip():
                yield n, _json_row(file, n, line)


def _json_row(file: Path, n: int, line: str) -> Row:
    def to_row(pairs: list[tuple[str, Any]]) -> Row:
        _refuse_twice(file, n, [name for name, _ in pairs])
        return dict(pairs)

    try:
        row = json.loads(line, object_pairs_hook=to_row)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"Change the task's source: {file}, line {n} is not JSON ({error})."
        ) from error
    if not isinstance(row, dict):
        raise UserError(f"Change the task's source: {file}, line {n} is not a JSON object.")
    return row


def _parquet(file: Path, header: bool) -> Iterator[Numbered]:
    del header  # the schema names the columns
    try:
        with pq.ParquetFile(file) as opened:
            _refuse_twice(file, 1, opened.schema_arrow.names)
            batches = opened.iter_batches(batch_size=1000)
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except pa.ArrowException as error:
        raise UserError(
            f"Change the task's source: {file} is not a Parquet file ({error})."
        ) from error


_READERS: dict[str, Callable[[Path, bool], Iterator[Numbered]]] = {
    "tsv": _tsv,
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}
FILE_FORMATS = tuple(_READERS)
