"""The texts of a raw row: cells of its columns, templates, words and choices."""

import math
import reprlib
import textwrap
from string import Formatter
from typing import Any, NamedTuple

from tlbench.config.schema import Task
from tlbench.data.readers import Row
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of


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
        text = "text" if task.source.template is None else "template"
        label = "label" if task.source.label_columns is None else "label_columns"
        choices = "" if task.source.choices is None else ", source.choices"
        return cls(
            f"source.{text}{choices} or source.{label} of task '{task.name}'",
            f"the rows of task '{task.name}'",
        )


def choices_of(task: Task, row: Row, where: str, changes: Changes) -> tuple[str, list[str]]:
    """Return the context of a raw row, and its choices, before each the second text if any.

    Raises:
        UserError: if a column is missing, or holds no text; and if there are not
            as many as the task has.
    """
    context, *second = texts_of(task, row, where, changes)
    columns = choice_columns(task)
    if len(columns) > 1:
        choices = [text_of(task, row, column, where, changes) for column in columns]
    else:
        choices = _list_of_texts(task, row, columns[0], where, changes, "choices")
    if len(choices) != kind_of(task).sequences:
        raise UserError(
            f"Change {changes.rows}, or labels of task '{task.name}': {where} has {len(choices)} "
            f"choices, and each row is to have {kind_of(task).sequences}, one for each label."
        )
    return context, [" ".join(filter(None, [*second, choice])) for choice in choices]


def words_of(task: Task, row: Row, where: str, changes: Changes) -> list[str]:
    """Return the words of a raw row, from a column that holds a list of them.

    Raises:
        UserError: if a column is missing, or holds no text; and if there is none.
    """
    words = _list_of_texts(task, row, task.source.text[0], where, changes, "words")
    if not words:
        raise UserError(
            f"Change {changes.rows}: {where} has no words; source.keep can leave such rows out."
        )
    return words


def _list_of_texts(
    task: Task, row: Row, column: str, where: str, changes: Changes, what: str
) -> list[str]:
    cell = cell_of(row, column, where, changes)
    if not isinstance(cell, list | tuple):
        raise UserError(
            f"Change {changes.columns}: {where}, column '{column}' has {reprlib.repr(cell)} where "
            f"a list of {what} belongs."
        )
    return [text_of(task, {column: text}, column, where, changes) for text in cell]


def texts_of(task: Task, row: Row, where: str, changes: Changes) -> list[str]:
    """Return the texts of a raw row, in the order of ``source.text`` or ``source.template``.

    Raises:
        UserError: if a column is missing, or holds no text.
    """
    source = task.source
    if source.template is None:
        return [text_of(task, row, column, where, changes) for column in source.text]
    return [
        "".join(
            literal + ("" if column is None else text_of(task, row, column, where, changes))
            for literal, column, _, _ in Formatter().parse(template)
        )
        for template in source.template
    ]


def texts_per_row(task: Task) -> int:
    """Return how many texts a row has, of a source that names columns."""
    return len(task.source.template or task.source.text)


def columns_of(task: Task) -> list[str]:
    """Return the columns that a task's texts are made of, each once."""
    source = task.source
    if source.template is None:
        return source.text
    fields = (field for text in source.template for _, field, _, _ in Formatter().parse(text))
    return list(dict.fromkeys(field for field in fields if field is not None))


def choice_columns(task: Task) -> list[str]:
    """Return the columns of a row's choices; none of a task that has no choices."""
    return (task.source.choices or ["choices"]) if kind_of(task).has_choices else []


def cell_of(row: Row, column: str, where: str, changes: Changes) -> Any:
    """Return what a row holds in a column.

    Raises:
        UserError: if there is no such column.
    """
    if column not in row:
        columns = textwrap.shorten(", ".join(map(str, row)), 200)
        raise UserError(
            f"Change {changes.columns}: {where} has no column '{column}' (it has {columns})."
        )
    return row[column]


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing; NaN is how pandas writes an empty one."""
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def text_of(task: Task, row: Row, column: str, where: str, changes: Changes) -> str:
    """Return a cell as a text; a number is written out, and nothing is the empty text.

    A CSV has no other way to write nothing, so an empty cell means the same in every format.

    Raises:
        UserError: if it is of another type, or is not Unicode.
    """
    cell = cell_of(row, column, where, changes)
    where = f"{where}, column '{column}'"
    if is_missing(cell):
        return ""
    # A list, a date or a truth value can be written in more than one way: the user must choose.
    if not isinstance(cell, str | int | float) or isinstance(cell, bool):
        raise UserError(
            f"Change {changes.rows}: {where} has {reprlib.repr(cell)} where a text belongs."
        )
    text = str(cell).strip() if task.source.strip else str(cell)
    try:
        text.encode()  # JSON may escape a lone surrogate, which no tokenizer takes
    except UnicodeEncodeError as error:
        raise UserError(
            f"Change {changes.rows}: {where} has half a character, the lone surrogate "
            f"{text[error.start]}."
        ) from error
    return text
