"""From a raw row to its texts and its label; what can't be used unchanged is refused."""

import math
import reprlib
import textwrap
from typing import Any

from tlbench.config.schema import Task
from tlbench.data.readers import Row
from tlbench.errors import UserError
from tlbench.tasks.base import ToLabel


def canonical(task: Task, row: Row, to_label: ToLabel, where: str) -> Row:
    """Return ``text_a``, ``text_b`` (where there are two texts) and ``label`` of a raw row.

    Args:
        task: which names the columns.
        row: by column name, cells of any type that the source's format has.
        to_label: turns a raw label into a number, as ``labeller`` makes it.
        where: file and line, for messages.

    Raises:
        UserError: if a column is missing or empty, or holds no text or no label of the task.
    """
    named = dict(zip(("text_a", "text_b"), texts_of(task, row, where), strict=False))
    return {**named, "label": to_label(_cell(task, row, str(task.source.label), where), where)}


def texts_of(task: Task, row: Row, where: str) -> list[str]:
    """Return the texts of a raw row, in the order of ``source.text``.

    Raises:
        UserError: as ``canonical`` does.
    """
    return [
        _text(task, _cell(task, row, column, where), f"{where}, column '{column}'")
        for column in task.source.text
    ]


def _cell(task: Task, row: Row, column: str, where: str) -> Any:
    """Return what a row holds in a column.

    Raises:
        UserError: if there is no such column, or nothing in it.
    """
    if column not in row:
        columns = textwrap.shorten(", ".join(map(str, row)), 200)
        raise UserError(
            f"Change source.text or source.label of task '{task.name}': {where} has no column "
            f"'{column}' (it has {columns})."
        )
    cell = row[column]
    # NaN is how pandas writes an empty cell. An empty string is a text.
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        raise UserError(
            f"Change the rows of task '{task.name}': {where} has nothing in column '{column}'."
        )
    return cell


def _text(task: Task, cell: Any, where: str) -> str:
    """Return a cell as a text; a number is written out.

    Raises:
        UserError: if it is of another type, or is not Unicode.
    """
    # A list, a date or a truth value can be written in more than one way: the user must choose.
    if not isinstance(cell, str | int | float) or isinstance(cell, bool):
        raise UserError(
            f"Change the rows of task '{task.name}': {where} has {reprlib.repr(cell)} where a text "
            "belongs."
        )
    text = str(cell)
    try:
        text.encode()  # JSON may escape a lone surrogate, which no tokenizer takes
    except UnicodeEncodeError as error:
        raise UserError(
            f"Change the rows of task '{task.name}': {where} has half a character, the lone "
            f"surrogate {text[error.start]}."
        ) from error
    return text
