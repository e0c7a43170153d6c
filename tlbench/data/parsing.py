"""From a raw row to its texts and its label; what can't be used unchanged is refused."""

import math
import reprlib
import textwrap
from typing import Any, NamedTuple

from tlbench.config.schema import Task
from tlbench.data.readers import Row
from tlbench.errors import UserError
from tlbench.tasks.base import ToLabel


class Changes(NamedTuple):
    """What a person changes where a row can't be used, for messages.

    Attributes:
        columns: where a column is not there.
        rows: where what is in it can't be used.
    """

    columns: str
    rows: str

    @classmethod
    def of(cls, task: Task) -> "Changes":
        """Return what is changed where rows are those of a task's source."""
        name = task.name
        return cls(f"source.text or source.label of task '{name}'", f"the rows of task '{name}'")


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
    changes = Changes.of(task)
    named = dict(zip(("text_a", "text_b"), texts_of(task, row, where, changes), strict=False))
    return {**named, "label": to_label(_cell(row, str(task.source.label), where, changes), where)}


def texts_of(task: Task, row: Row, where: str, changes: Changes) -> list[str]:
    """Return the texts of a raw row, in the order of ``source.text``.

    Raises:
        UserError: as ``canonical`` does.
    """
    return [
        _text(_cell(row, column, where, changes), f"{where}, column '{column}'", changes)
        for column in task.source.text
    ]


def _cell(row: Row, column: str, where: str, changes: Changes) -> Any:
    """Return what a row holds in a column.

    Raises:
        UserError: if there is no such column, or nothing in it.
    """
    if column not in row:
        columns = textwrap.shorten(", ".join(map(str, row)), 200)
        raise UserError(
            f"Change {changes.columns}: {where} has no column '{column}' (it has {columns})."
        )
    cell = row[column]
    # NaN is how pandas writes an empty cell. An empty string is a text.
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        raise UserError(f"Change {changes.rows}: {where} has nothing in column '{column}'.")
    return cell


def _text(cell: Any, where: str, changes: Changes) -> str:
    """Return a cell as a text; a number is written out.

    Raises:
        UserError: if it is of another type, or is not Unicode.
    """
    # A list, a date or a truth value can be written in more than one way: the user must choose.
    if not isinstance(cell, str | int | float) or isinstance(cell, bool):
        raise UserError(
            f"Change {changes.rows}: {where} has {reprlib.repr(cell)} where a text belongs."
        )
    text = str(cell)
    try:
        text.encode()  # JSON may escape a lone surrogate, which no tokenizer takes
    except UnicodeEncodeError as error:
        raise UserError(
            f"Change {changes.rows}: {where} has half a character, the lone "
            f"surrogate {text[error.start]}."
        ) from error
    return text
