"""From a raw row to the row that is used; what can't be used unchanged is refused."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tlbench.config.schema import Task
from tlbench.data.groups import with_groups
from tlbench.data.keep import row_filter
from tlbench.data.nested import flat_rows
from tlbench.data.readers import Row
from tlbench.data.row_texts import (
    Changes,
    cell_of,
    choices_of,
    is_missing,
    text_of,
    texts_of,
    words_of,
)
from tlbench.errors import UserError
from tlbench.tasks.base import ToLabel
from tlbench.tasks.kinds import class_of, kind_of
from tlbench.tasks.label_columns import has_label_columns, label_column, label_columns

_NAMED = 5  # of the rows that can't be used, how many a message names


def usable_rows(
    task: Task, place: str, rows: Iterable[tuple[Any, Row | UserError]]
) -> Iterator[Row]:
    """Yield the canonical form of the rows that the task keeps.

    Args:
        task: whose rows they are.
        place: file, or data set, and unit: ``tickets.csv, line``.
        rows: each with its number, and maybe with what is wrong with it in place of it.

    Raises:
        UserError: after the last row, if some can't be used, with how many and the first of them;
            or if the task keeps none.
    """
    keeps, to_label, grouped = row_filter(task), kind_of(task).labeller(), with_groups(task)
    columns = label_columns(task) if isinstance(task.source.label, dict) else []
    refused: list[tuple[Any, UserError]] = []
    is_empty = True
    for number, row in rows:
        where = f"{place} {number}"
        try:
            if isinstance(row, UserError):
                raise row
            usable = [
                grouped(flat, canonical(task, flat, to_label, where), where)
                for flat in flat_rows(row, task.source.explode, where)
                if keeps(flat, where) and not _lacks_all(flat, columns)
            ]
        except UserError as error:
            refused.append((number, error))
        else:
            is_empty = is_empty and not usable
            yield from usable
    if refused:
        raise _refusal(refused, place.rpartition(" ")[2])
    if is_empty:
        keep = task.source.keep
        said = f"source.keep of task '{task.name}'" + (f" ({keep})" if keep else "")
        raise UserError(f"Change {said}: no row of {place.rpartition(', ')[0]} is kept.")


def _lacks_all(row: Row, columns: Sequence[str]) -> bool:
    """Whether a row has a label of none of several tasks, which then all leave it out."""
    return bool(columns) and all(name in row and _is_empty(row[name]) for name in columns)


def _refusal(refused: list[tuple[Any, UserError]], unit: str) -> UserError:
    (_, first), *others = refused
    if not others:
        return first
    numbers = [str(number) for number, _ in refused]
    more = f" and {len(refused) - _NAMED:,} more" if len(refused) > _NAMED else ""
    return UserError(
        f"{first} {len(refused):,} rows can't be used: {unit} {', '.join(numbers[:_NAMED])}{more}."
    )


def canonical(task: Task, row: Row, to_label: ToLabel, where: str) -> Row:
    """Return ``text_a``, ``text_b`` (where there are two texts) and ``label`` of a raw row.

    Of a task with a label per word ``words`` too, and ``text_a`` is they with blanks between them;
    of one with choices ``choices``, and ``text_a`` is their context. Where ``source.group`` names a
    column, ``group`` is its cell. Where ``source.label`` names a column for each of several tasks
    and this one's is empty, ``label`` is the kind's ``no_label``; and where none is read. Of a
    kind that reads no labels it is 0.

    Args:
        task: which names the columns.
        row: by column name, cells of any type that the source's format has.
        to_label: turns a raw label into a label, as ``labeller`` makes it.
        where: file and line, for messages.

    Raises:
        UserError: if a column is missing, or holds no text or no label of the task.
    """
    source, changes = task.source, Changes.of(task)
    usable = _canonical_texts(task, row, where, changes)
    if source.group is not None:
        usable["group"] = text_of(task, row, source.group, where, changes)
    if not class_of(task).reads_labels:
        return usable | {"label": 0.0}
    if source.label_columns is None:
        column = label_column(task)
        if column is None and source.unlabelled is not None:
            return usable | {"label": kind_of(task).no_label}
        if column is None:
            raise UserError(f"Set source.label of task '{task.name}' to the column of the label.")
        if has_label_columns(task) and _is_empty(cell_of(row, column, where, changes)):
            return usable | {"label": kind_of(task).no_label}
        label = _label(task, row, column, where, changes)
    else:
        label = [_label(task, row, column, where, changes) for column in source.label_columns]
    usable["label"] = to_label(label, where)
    if "words" in usable and len(usable["words"]) != len(usable["label"]):
        raise UserError(
            f"Change {changes.rows}: {where} has {len(usable['words'])} words and "
            f"{len(usable['label'])} tags."
        )
    return usable


def _canonical_texts(task: Task, row: Row, where: str, changes: Changes) -> Row:
    kind = kind_of(task)
    if kind.reads_words:
        words = words_of(task, row, where, changes)
        return {"text_a": " ".join(words), "words": words}
    if kind.has_choices:
        context, choices = choices_of(task, row, where, changes)
        return {"text_a": context, "choices": choices}
    texts = texts_of(task, row, where, changes)
    return dict(zip(("text_a", "text_b"), texts, strict=False))


def _label(task: Task, row: Row, column: str, where: str, changes: Changes) -> Any:
    """Return the raw label that a row has in a column.

    Raises:
        UserError: if there is none.
    """
    label = cell_of(row, column, where, changes)
    if is_missing(label):
        raise UserError(
            f"Change {changes.rows}: {where} has nothing in column '{column}'; source.keep "
            "can leave such rows out."
        )
    return label.strip() if task.source.strip and isinstance(label, str) else label


def _is_empty(cell: Any) -> bool:
    """Whether a cell holds no label, of several columns of them; a CSV writes nothing so."""
    return is_missing(cell) or (isinstance(cell, str) and not cell.strip())
