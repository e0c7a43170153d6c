"""Rows whose cells hold objects: flat ones, with a column for each member, and one row a record."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tlbench.data.readers import Row
from tlbench.errors import UserError


def flat_rows(row: Row, explode: str | None, where: str) -> Iterator[Row]:
    """Yield the rows that a raw row stands for, each with a column for every member of an object.

    The member ``b`` of what is in column ``a`` is the column ``a.b``.

    Args:
        row: by column name.
        explode: the dotted name of a list of objects, ``passage.questions.answers``: a row is made
            of each, with the columns of what is around it. A list on the way to it is taken apart
            as well. None for the row alone.
        where: file and line, for messages.

    Raises:
        UserError: if there is no such list.
    """
    if explode is None:
        yield _flat(row)
    else:
        yield from _exploded(row, explode.split("."), "", where)


def _flat(members: Mapping[str, Any], above: str = "") -> Row:
    row: Row = {}
    for name, value in members.items():
        if isinstance(value, dict):
            row |= _flat(value, f"{above}{name}.")
        else:
            row[f"{above}{name}"] = value
    return row


def _exploded(
    members: Mapping[str, Any], path: Sequence[str], above: str, where: str
) -> Iterator[Row]:
    """Yield the rows of what is at a path below an object, whose own dotted name is ``above``."""
    (first, *deeper), name = path, f"{above}{path[0]}"
    around = _flat({key: value for key, value in members.items() if key != first}, above)
    inside = members.get(first)
    if isinstance(inside, dict) and deeper:
        inside = [inside]
    if not isinstance(inside, list) or not all(isinstance(one, dict) for one in inside):
        raise UserError(f"Change source.explode: {where} has no list of objects at '{name}'.")
    for one in inside:
        rows = _exploded(one, deeper, f"{name}.", where) if deeper else [_flat(one, f"{name}.")]
        for row in rows:
            yield around | row
