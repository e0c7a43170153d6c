"""Rows of local TSV, CSV and JSON lines files, each with its line number."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tlbench.errors import UserError

Numbered = tuple[int, dict[str, Any]]


def read_rows(file: Path, file_format: str, header: bool = True) -> Iterator[Numbered]:
    """Yield (line number, row) for every row of ``file``.

    A row maps column names to cells; without a header the names are ``"0"``, ``"1"``, ...

    Raises:
        UserError: naming file and line, if a row has not as many cells as the first line, is not
            JSON, or is not UTF-8; and if the file has no rows at all.
    """
    reader = {"tsv": _split_tsv, "csv": _split_csv, "jsonl": _json_lines}[file_format]
    empty = True
    try:
        with file.open(encoding="utf-8-sig", newline="\n" if file_format == "tsv" else "") as lines:
            for numbered in reader(file, lines, header):
                empty = False
                yield numbered
    except OSError as error:
        raise UserError(
            f"Change the task's source: {file} can't be read ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"Change the task's source: {file} is not UTF-8 text ({error}).") from error
    if empty:
        raise UserError(f"Change the task's source: {file} has no rows.")


def _named(file: Path, rows: Iterator[tuple[int, list[str]]], header: bool) -> Iterator[Numbered]:
    names: list[str] | None = None
    for line, cells in rows:
        if names is None:
            names = cells if header else [str(i) for i in range(len(cells))]
            if header:
                continue
        if len(cells) != len(names):
            raise UserError(
                f"Change the task's source: {file}, line {line} has {len(cells)} cells where the "
                f"first line has {len(names)}."
            )
        yield line, dict(zip(names, cells, strict=True))


def _split_tsv(file: Path, lines: Any, header: bool) -> Iterator[Numbered]:
    # GLUE's TSVs know no quoting: a double quote is a character like any other.
    rows = ((n, line.rstrip("\r\n").split("\t")) for n, line in enumerate(lines, start=1))
    return _named(file, rows, header)


def _split_csv(file: Path, lines: Any, header: bool) -> Iterator[Numbered]:
    reader = csv.reader(lines, strict=True)

    def rows() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in reader:
                if cells:  # a blank line is no row
                    yield reader.line_num, cells
        except csv.Error as error:
            raise UserError(
                f"Change the task's source: {file}, line {reader.line_num} is not CSV ({error})."
            ) from error

    return _named(file, rows(), header)


def _json_lines(file: Path, lines: Any, header: bool) -> Iterator[Numbered]:
    del header  # every JSON row carries its own names
    for n, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(
                f"Change the task's source: {file}, line {n} is not JSON ({error})."
            ) from error
        if not isinstance(row, dict):
            raise UserError(f"Change the task's source: {file}, line {n} is not a JSON object.")
        yield n, row
