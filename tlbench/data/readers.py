"""Rows of local TSV, CSV, JSON lines and Parquet files, each with its number."""

import csv
import json
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.compression import compr
from fsspec.utils import infer_compression

from tlbench.data import conll
from tlbench.errors import UserError

Row = dict[str, Any]
# The second is what is wrong with the row, where it can't be used and those after it can.
NumberedRow = tuple[int, Row | UserError]
_MAX_FIELD = 2**31 - 1  # characters of a CSV field; Python's own limit is 131,072
_LOOKED_AT = 2**20  # characters at a file's begin, of which the line ends are found out
# What compression's libraries raise at bytes that are not theirs, that end too early, or that are
# of a kind that they do not read: a RuntimeError is zipfile's of a password.
_NOT_COMPRESSED = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


@dataclass(frozen=True)
class FileFormat:
    """How a file is written.

    Attributes:
        name: ``csv``, ``tsv``, ``jsonl``, ``parquet``, ``conll`` or ``conllu``; the file may be
            compressed, as its name says (``.gz``, ``.bz2``, ``.xz``, ``.zip``).
        header: whether the first line names the columns; else they are ``"0"``, ``"1"``, ...
        encoding: as Python calls it; None for UTF-8, with a byte-order mark or without.
        delimiter: between two cells; None for a comma in CSV, and a tab in TSV.
        quoting: whether double quotes around a cell are no part of it; None for yes in CSV, and no
            in TSV, as GLUE's files have it.
    """

    name: str
    header: bool = True
    encoding: str | None = None
    delimiter: str | None = None
    quoting: bool | None = None


def read_rows(
    file: Path, file_format: FileFormat, change: str = "the task's source"
) -> Iterator[NumberedRow]:
    """Yield (line number, row) for every row of ``file``; of Parquet files, the row's number.

    A row that has not as many fields as the first line, or is not JSON, is yielded as the error
    that says so: whoever reads may count them.

    Args:
        change: what a user changes if the file can't be read, for messages.

    Raises:
        UserError: naming file and line, if a column is named twice, quotes are not closed, or the
            file is not of its encoding; and if it has no rows at all.
    """
    empty = True
    with _as_sentence(file, file_format, change):
        _check_format(file_format)
        if file.exists() and not file.is_file():  # a device or a pipe may never end
            raise UserError(f"{file} is not a file.")
        for number, row in _READERS[file_format.name](file, file_format):
            empty = False
            bad = isinstance(row, UserError)
            yield number, UserError(f"Change {change}: {row}") if bad else row
        if empty:
            raise UserError(f"{file} has no rows.")


def _check_format(file_format: FileFormat) -> None:
    try:
        "".encode(file_format.encoding or "utf-8")
    except LookupError as error:
        raise UserError(f"the encoding of texts: {error}.") from error
    delimiter = file_format.delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise UserError(f"the delimiter {delimiter!r} is not one character between cells.")


@contextmanager
def _as_sentence(file: Path, file_format: FileFormat, change: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a sentence that says what to change."""
    try:
        yield
    except UserError as error:
        raise UserError(f"Change {change}: {error}") from error
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"Change {change}: {file} can't be read ({reason}).") from error
    except _NOT_COMPRESSED as error:
        raise UserError(f"Change {change}: {file} can't be decompressed ({error}).") from error
    except UnicodeError as error:
        encoding = file_format.encoding or "UTF-8"
        raise UserError(
            f"Change {change}: {file} is not {encoding} text ({error}); source.encoding names "
            "another encoding."
        ) from error
    except pa.ArrowException as error:
        raise UserError(f"Change {change}: {file} is not a Parquet file ({error}).") from error


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, decompressed where its name ends in a compression's suffix."""
    with file.open("rb") as raw, compr[infer_compression(file.name)](raw, mode="rb") as content:
        yield content


@contextmanager
def _text(file: Path, file_format: FileFormat, newline: str) -> Iterator[TextIO]:
    # utf-8-sig: the byte-order mark that Excel writes would become part of the first column's name.
    encoding = file_format.encoding or "utf-8-sig"
    with (
        _opened(file) as opened,
        TextIOWrapper(opened, encoding=encoding, newline=newline) as text,
    ):
        yield text


def _delimited(file: Path, file_format: FileFormat) -> Iterator[NumberedRow]:
    is_csv = file_format.name == "csv"
    delimiter = file_format.delimiter or ("," if is_csv else "\t")
    quoting = is_csv if file_format.quoting is None else file_format.quoting
    # Only the file's own line end ends a line without quotes: a text may hold any other character
    # that Unicode counts as one.
    with _text(file, file_format, "" if quoting else _line_end(file, file_format)) as opened:
        if quoting:
            lines = _quoted_lines(file, opened, delimiter)
        else:
            lines = (
                (number, line.rstrip("\r\n").split(delimiter))
                for number, line in enumerate(opened, start=1)
            )
        yield from _rows_by_column(file, lines, file_format.header)


def _line_end(file: Path, file_format: FileFormat) -> str:
    with _text(file, file_format, "") as opened:
        begin = opened.read(_LOOKED_AT)
    return "\r" if "\r" in begin and "\n" not in begin else "\n"


def _quoted_lines(file: Path, opened: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_MAX_FIELD)
    # strict: an unclosed quote is an error, and does not swallow the rest of the file.
    reader = csv.reader(opened, delimiter=delimiter, strict=True)
    try:
        for fields in reader:
            if fields:  # a blank line is no row
                yield reader.line_num, fields
    except csv.Error as error:
        raise UserError(f"{file}, line {reader.line_num} is not CSV ({error}).") from error


def _rows_by_column(
    file: Path, lines: Iterable[tuple[int, list[str]]], header: bool
) -> Iterator[NumberedRow]:
    """Yield rows that map column names to fields, from lines of fields.

    Raises:
        UserError: if two columns have one name.
    """
    columns: list[str] | None = None
    for number, fields in lines:
        if columns is None:
            columns = fields if header else [str(i) for i in range(len(fields))]
            _check_unique(file, number, columns)
            if header:
                continue
        if len(fields) == len(columns):
            yield number, dict(zip(columns, fields, strict=True))
        else:
            yield (
                number,
                UserError(
                    f"{file}, line {number} has {len(fields)} fields where the first line has "
                    f"{len(columns)}."
                ),
            )


def _check_unique(file: Path, line: int, columns: Sequence[str]) -> None:
    # In a row with two columns of one name the second would silently replace the first.
    duplicates = [name for name, count in Counter(columns).items() if count > 1]
    if duplicates:
        raise UserError(f"{file}, line {line} has two columns '{duplicates[0]}'; rename one.")


def _conll(file: Path, file_format: FileFormat) -> Iterator[NumberedRow]:
    with _text(file, file_format, "") as opened:
        if file_format.name == "conllu":
            yield from conll.universal_rows(file, opened)
        else:
            yield from conll.rows(file, opened, file_format.delimiter)


def _json_lines(file: Path, file_format: FileFormat) -> Iterator[NumberedRow]:
    with _text(file, file_format, "") as opened:
        for number, line in enumerate(opened, start=1):
            if line.strip():
                try:
                    yield number, _json_row(file, number, line)
                except UserError as error:
                    yield number, error


def _json_row(file: Path, number: int, line: str) -> Row:
    # json alone would keep the last of two values of one name.
    def to_row(pairs: list[tuple[str, Any]]) -> Row:
        _check_unique(file, number, [name for name, _ in pairs])
        return dict(pairs)

    try:
        row = json.loads(line, object_pairs_hook=to_row)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}, line {number} is not JSON ({error}).") from error
    if not isinstance(row, dict):
        raise UserError(f"{file}, line {number} is not a JSON object.")
    return row


def _parquet(file: Path, file_format: FileFormat) -> Iterator[NumberedRow]:
    del file_format  # a Parquet file says all itself
    with _opened(file) as opened, pq.ParquetFile(opened) as parquet:
        _check_unique(file, 1, parquet.schema_arrow.names)
        batches = parquet.iter_batches(batch_size=1000)  # the file may exceed memory
        yield from enumerate((row for batch in batches for row in _rows(batch)), start=1)


@dataclass(frozen=True)
class BeyondPython:
    """A cell that Arrow has and Python has not: a date before year 1 or after 9999."""

    kind: str

    def __repr__(self) -> str:
        return f"a {self.kind} beyond Python's"


def _rows(batch: pa.RecordBatch) -> list[Row]:
    """Return the rows of a batch; a cell that can't be one of Python's is refused only if used."""
    try:
        rows: list[Row] = batch.to_pylist()
    except (ValueError, OverflowError):
        columns = {name: _cells(batch.column(name)) for name in batch.schema.names}
        rows = [
            dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
    return rows


def _cells(column: pa.Array) -> list[Any]:
    cells = []
    for scalar in column:
        try:
            cells.append(scalar.as_py())
        except (ValueError, OverflowError):
            cells.append(BeyondPython(str(scalar.type)))
    return cells


_READERS: dict[str, Callable[[Path, FileFormat], Iterator[NumberedRow]]] = {
    "tsv": _delimited,
    "csv": _delimited,
    "jsonl": _json_lines,
    "parquet": _parquet,
    "conll": _conll,
    "conllu": _conll,
}
FILE_FORMATS = tuple(_READERS)
SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
SUFFIXES |= {".json": "jsonl", ".parquet": "parquet", ".pq": "parquet"}
SUFFIXES |= {".conll": "conll", ".conllu": "conllu"}


def is_compressed(file: Path) -> bool:
    """Whether a file's name ends in the suffix of a compression."""
    return infer_compression(file.name) is not None


def format_by_name(file: Path) -> str | None:
    """Return the format that a file's name tells, behind a compression's suffix; None if none."""
    name = file.with_suffix("") if is_compressed(file) else file
    return SUFFIXES.get(name.suffix.lower())
