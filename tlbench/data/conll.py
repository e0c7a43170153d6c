"""Rows of words in columns, as the CoNLL shared tasks have them: a line for each word."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tlbench.errors import UserError

_BETWEEN_DOCUMENTS = "-DOCSTART-"  # of CoNLL 2003
_WHITE = " \t\r\n"  # not str.split's white space: a word may hold a no-break space
# https://universaldependencies.org/format.html
_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_WORD_ID = re.compile("[0-9]+")  # 3-4 is two words written as one, and 5.1 a word left out

Words = list[tuple[int, list[str]]]  # a row's words: the number of the line, and its cells
NumberedRow = tuple[int, dict[str, Any] | UserError]


def rows(file: Path, lines: Iterable[str], delimiter: str | None) -> Iterator[NumberedRow]:
    """Yield a row for the lines between two blank ones, with the number of the first of them.

    Its columns are lists of the words' cells: the first is ``"0"``, and the last ``"-1"`` too. The
    ``-DOCSTART-`` between two documents is no row. Lines of one row that have not as many cells are
    yielded as the error that says so.

    Args:
        file: for messages.
        lines: its own.
        delimiter: between two cells; None for blanks and tabs, any number.
    """
    for words in _between_blanks(lines, delimiter):
        (first, cells), *_ = words
        if cells[0] != _BETWEEN_DOCUMENTS:
            names = [str(at) for at in range(len(cells))]
            row = _by_column(file, words, names)
            yield first, row if isinstance(row, UserError) else {**row, "-1": row[names[-1]]}


def universal_rows(file: Path, lines: Iterable[str]) -> Iterator[NumberedRow]:
    """Yield a row for every sentence of a CoNLL-U file, as ``rows`` does.

    Its columns have the names that the format gives them: ``form``, ``upos``, ... Comments, words
    that are written as one with another, and words that are left out in the text, are skipped.
    """
    for cells_of_lines in _between_blanks(lines, "\t"):
        words = [(n, cells) for n, cells in cells_of_lines if not cells[0].startswith("#")]
        words = [(n, cells) for n, cells in words if len(cells) == 1 or _is_word(cells[0])]
        if words:
            yield words[0][0], _by_column(file, words, _CONLLU)


def _is_word(number: str) -> bool:
    return _WORD_ID.fullmatch(number) is not None


def _between_blanks(lines: Iterable[str], delimiter: str | None) -> Iterator[Words]:
    """Yield the lines between two blank ones, one or more."""
    words: Words = []
    for number, line in enumerate(chain(lines, [""]), start=1):
        if line.strip(_WHITE):
            words.append((number, _cells(line, delimiter)))
        elif words:
            yield words
            words = []


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is not None:
        return line.rstrip("\r\n").split(delimiter)
    return re.split("[ \t]+", line.strip(_WHITE))


def _by_column(file: Path, words: Words, names: Sequence[str]) -> dict[str, list[str]] | UserError:
    first = words[0][0]
    for line, cells in words:
        if len(cells) != len(names):
            belong = "CoNLL-U has" if names is _CONLLU else f"line {first} has"
            return UserError(
                f"{file}, line {line} has {len(cells)} fields where {belong} {len(names)}."
            )
    columns = zip(*(cells for _, cells in words), strict=True)
    return {name: list(column) for name, column in zip(names, columns, strict=True)}
