"""Writes a table for a reader, a spreadsheet or a paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tlbench.records.definitions import NONE

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_POINTS = ("points", "gain", "interval", "range")  # fractions, shown times a hundred


@dataclass(frozen=True)
class Column:
    """A column: where its numbers are, its heading, and what they are.

    Attributes:
        kind: ``text``, ``count``, ``amount`` (a count or a number of any size), ``number``, ``p``,
            ``percent``, or a fraction shown in points: ``points``, ``gain`` (with its sign),
            ``interval`` (of the keys ``low high``; ``range`` without signs). An interval of
            percentages is ``shares``.
        labels: how people read the names in a text; a CSV has the names.
    """

    key: str
    heading: str
    kind: str = "text"
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table of the report; ``note`` says how to read it and what it assumes.

    Attributes:
        more_points: columns that only its CSV shows and that are fractions, there in points.
    """

    name: str
    title: str
    note: str
    columns: Sequence[Column]
    frame: pd.DataFrame
    more_points: Sequence[str] = ()

    def words(self, most: int | None = None) -> pd.DataFrame:
        """Return what a person reads: the first ``most`` rows, headings as columns."""
        rows = self.frame.head(most) if most else self.frame
        headings = [column.heading for column in self.columns]
        texts = [[_shown(row, column) for column in self.columns] for _, row in rows.iterrows()]
        return pd.DataFrame(texts, columns=headings)

    def numbers(self) -> pd.DataFrame:
        """Return what a program reads: points, not fractions, unrounded but for noise."""
        frame = self.frame.copy()
        frame[list(self.more_points)] *= 100
        for column in self.columns:
            keys = column.key.split() if column.kind in _INTERVALS else [column.key]
            if column.kind in _POINTS:
                frame[keys] = 100 * frame[keys]
        return frame.round(6)

    def write(self, folder: Path) -> None:
        """Write ``name.csv`` and ``name.tex`` (booktabs)."""
        folder.mkdir(parents=True, exist_ok=True)
        without_formulas(self.numbers()).to_csv(folder / f"{self.name}.csv", index=False)
        shown = self.words()
        align = "".join("l" if column.kind == "text" else "r" for column in self.columns)
        text = shown.to_latex(index=False, escape=True, column_format=align)
        (folder / f"{self.name}.tex").write_text(text, "utf-8")


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts and headings no spreadsheet takes for a formula.

    They get a single quote in front, as OWASP has it ("CSV Injection"). Numbers stay numbers, and
    so does the ``-`` that says none.
    """
    safe = frame.rename(columns=_quoted)
    texts = [name for name in safe.columns if not pd.api.types.is_numeric_dtype(safe[name])]
    return safe.assign(**{name: safe[name].map(_quoted, na_action="ignore") for name in texts})


def _quoted(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(_FORMULA) or value == NONE:
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _shown(row: "pd.Series[object]", column: Column) -> str:
    if column.kind in _INTERVALS:
        low, high = (row[key] for key in column.key.split())
        return "-" if pd.isna(low) else _INTERVALS[column.kind].format(100 * low, 100 * high)
    value = row[column.key]
    if value is None or pd.isna(value):
        return "-"
    if column.kind == "text":
        return column.labels.get(str(value), str(value))
    return _FORMATS[column.kind](value)


_INTERVALS = {
    "interval": "{:+.1f} to {:+.1f}",
    "range": "{:.1f} to {:.1f}",
    "shares": "{:.0f} to {:.0f}%",
}
_FORMATS = {
    "amount": lambda value: (
        f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    ),
    "count": lambda value: f"{value:,.0f}",
    "number": lambda value: f"{value:.2f}",
    "p": lambda value: f"{value:.3f}" if value >= 0.001 else "<0.001",
    "percent": lambda value: f"{100 * value:.0f}%",
    "points": lambda value: f"{100 * value:.1f}",
    "gain": lambda value: f"{100 * value:+.1f}",
}
