"""Rows of words in columns, as the CoNLL shared tasks have them: a line for each word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tlbench.errors import UserError

_BETWEEN_DOCUMENTS = "-DOCSTART-"  # of CoNLL 2003
_WHITE = " \t\r\n"  # not str.split's white space: a word may hold a no-break space


def rows(
    file: Path, lines: Iterable[str], delimiter: str | None
) -> Iterator[tuple[int, dict[str, Any] | UserError]]:
    """Yield a row for the lines between two blank ones, with the number of the first of them.

    Its columns are lists of the words' cells: the first is ``"0"``, and the last ``"-1"`` too. The
    ``-DOCSTART-`` between two documents is no row. Lines of one row that have not as many cells are
    yielded as the error that says so.

    Args:
        file: for messages.
        lines: its own.
        delimiter: between two cells; None for blanks and tabs, any number.
    """
    first, cells = 1, list[list[str]]()
    for number, line in enumerate(chain(lines, [""]), start=1):
        if line.strip(_WHITE):
            first = first if cells else number
            cells.append(_cells(line, delimiter))
            continue
        if cells and cells[0][0] != _BETWEEN_DOCUMENTS:
            yield first, _row(file, first, cells)
        cells = []


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is not None:
        return line.rstrip("\r\n").split(delimiter)
    return re.split("[ \t]+", line.strip(_WHITE))


def _row(file: Path, first: int, words: Sequence[Sequence[str]]) -> dict[str, Any] | UserError:
    width = len(words[0])
    for line, cells in enumerate(words, start=first):
        if len(cells) != width:
            return UserError(
                f"{file}, line {line} has {len(cells)} fields where line {first} has {width}."
            )
    columns = [list(column) for column in zip(*words, strict=True)]
    return {**{str(at): column for at, column in enumerate(columns)}, "-1": columns[-1]}
