"""Expressions over a row's columns, which tasks name in ``source.keep`` and ``groups``."""

import ast
import string
from collections.abc import Mapping
from typing import Any

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from tlbench.errors import UserError

_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)


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
        return str(self) == ("" if other is None else str(other))

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: float) -> bool:
        return self._number() < other

    def __le__(self, other: float) -> bool:
        return self._number() <= other

    def __gt__(self, other: float) -> bool:
        return self._number() > other

    def __ge__(self, other: float) -> bool:
        return self._number() >= other

    def __contains__(self, part: str) -> bool:
        return part in str(self)

    def __len__(self) -> int:
        return len(str(self))

    def __bool__(self) -> bool:
        return bool(str(self))

    def __str__(self) -> str:
        return "" if self.value is None else str(self.value)

    def _number(self) -> float:
        """Return the cell's number; NaN, of which no comparison holds, if it is none."""
        try:
            return float(self.value)
        except (TypeError, ValueError):
            return float("nan")


def has_word(text: Any, *words: str) -> bool:
    """Return whether one of the words is in a text, whatever its case and with no punctuation.

    Words are what white space parts, as in Sagawa et al. 2020, who look for negations so.
    """
    there = str(text).translate(_WITHOUT_PUNCTUATION).lower().split()
    return not {word.lower() for word in words}.isdisjoint(there)


class RowExpression:
    """An expression that is computed of rows, by names of their columns.

    Beside operators it has ``len``, ``has_word`` and ``column``, for a name that is no word.

    Args:
        text: of the expression.
        key: where it stands, for messages: ``source.keep of task 'mine'``.

    Raises:
        UserError: if it is none.
    """

    def __init__(self, text: str, key: str) -> None:
        self.text, self.key = text, key
        self._evaluator = EvalWithCompoundTypes(functions={"len": len, "has_word": has_word})
        try:
            ast.parse(text, mode="eval")  # simpleeval would take the first of two expressions
            self._parsed = self._evaluator.parse(text)
        except (InvalidExpression, SyntaxError) as error:
            raise UserError(f"Change {key}: it can't be read ({_reason(error)}).") from error

    def __call__(self, columns: Mapping[str, Any], where: str) -> Any:
        """Return its value for a row with these columns, found at a place.

        Raises:
            UserError: if it can't be computed, as where it names a column that is not there.
        """
        cells = {str(name): Cell(value) for name, value in columns.items()}
        self._evaluator.names = cells
        self._evaluator.functions["column"] = cells.__getitem__
        try:
            return self._evaluator.eval(self.text, previously_parsed=self._parsed)
        except (InvalidExpression, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"Change {self.key}: it can't be computed of {where} ({_reason(error)})."
            ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no column {error}"
    return str(error).partition(", for expression")[0]
