"""Which rows a task leaves out: ``source.keep``, an expression over a row's columns."""

import ast
from collections.abc import Callable
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from tlbench.config.schema import Task
from tlbench.data.readers import Row
from tlbench.errors import UserError


class Cell:
    """What a row holds in a column, which is compared as what it is compared with.

    A cell of a CSV is always a text, and one of a Parquet file may be a number: ``label != -1``
    and ``label != '-1'`` are to mean the same of both.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | float) and not isinstance(other, bool):
            return self._number() == other
        return self._text() == ("" if other is None else str(other))

    def __hash__(self) -> int:
        return hash(self._text())

    def __lt__(self, other: float) -> bool:
        return self._number() < other

    def __le__(self, other: float) -> bool:
        return self._number() <= other

    def __gt__(self, other: float) -> bool:
        return self._number() > other

    def __ge__(self, other: float) -> bool:
        return self._number() >= other

    def __contains__(self, part: str) -> bool:
        return part in self._text()

    def __len__(self) -> int:
        return len(self._text())

    def __bool__(self) -> bool:
        return bool(self._text())

    def _text(self) -> str:
        return "" if self.value is None else str(self.value)

    def _number(self) -> float:
        """Return the cell's number; NaN, of which no comparison holds, if it is none."""
        try:
            return float(self.value)
        except (TypeError, ValueError):
            return float("nan")


def row_filter(task: Task) -> Callable[[Row, str], bool]:
    """Return what says of a row, found at a place, whether the task keeps it.

    Raises:
        UserError: if ``source.keep`` is no expression; and later of a row, if it names a column
            that is not there.
    """
    expression = task.source.keep
    if expression is None:
        return lambda row, where: True
    evaluator = EvalWithCompoundTypes(functions={"len": len})
    try:
        ast.parse(expression, mode="eval")  # simpleeval would take the first of two expressions
        parsed = evaluator.parse(expression)
    except (InvalidExpression, SyntaxError) as error:
        raise UserError(
            f"Change source.keep of task '{task.name}': it can't be read ({_reason(error)})."
        ) from error

    def keeps(row: Row, where: str) -> bool:
        cells = {str(name): Cell(value) for name, value in row.items()}
        evaluator.names = cells
        evaluator.functions["column"] = cells.__getitem__
        try:
            return bool(evaluator.eval(expression, previously_parsed=parsed))
        except (InvalidExpression, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"Change source.keep of task '{task.name}': it can't be computed of {where} "
                f"({_reason(error)})."
            ) from error

    return keeps


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no column {error}"
    return str(error).partition(", for expression")[0]
