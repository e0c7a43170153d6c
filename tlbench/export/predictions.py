"""Predicts a file of rows, a part at a time, so that it may be larger than the memory."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from tlbench.config.schema import Task
from tlbench.data.nested import flat_rows
from tlbench.data.readers import SUFFIXES, FileFormat, Row, format_by_name, read_rows
from tlbench.data.row_texts import (
    Changes,
    choice_columns,
    choices_of,
    texts_of,
    texts_per_row,
    words_of,
)
from tlbench.errors import UserError
from tlbench.export.predictor import Predictor, Texts
from tlbench.tasks.kinds import kind_of

SEPARATOR = ";"  # between the labels of a row, where its task has none of its own
PART = 4096  # rows: enough for batches of rows of one length


def separator_of(task: Task) -> str:
    """Return what is between labels of a row, or words and tags, which hold no blank."""
    return " " if kind_of(task).reads_words else SEPARATOR


def format_of(file: Path, asked: str | None, option: str) -> str:
    """Return a file's format: as asked for, else by its name.

    Raises:
        UserError: if its name does not tell.
    """
    found = asked or format_by_name(file)
    if found is None:
        raise UserError(f"Add {option}: {file} ends in none of {', '.join(SUFFIXES)}.")
    return found


def output_format(out: Path | None) -> str:
    """Return the format that predictions are written in: by a file's name, CSV where there is none.

    Raises:
        UserError: if its name does not tell, or it is one that is read alone.
    """
    found = "csv" if out is None else format_of(out, None, "a suffix to --out")
    if found == "conllu":
        raise UserError("Change --out: a word and its tag are written as .conll, not as .conllu.")
    return found


def with_columns(task: Task, texts: Sequence[str], choices: Sequence[str] = ()) -> Task:
    """Return a task whose texts, or choices, are in other columns; none: they are where they were.

    Raises:
        UserError: if there are not as many as the task has texts.
    """
    source, wanted, number = task.source, texts_per_row(task), kind_of(task).sequences
    if texts and len(texts) != wanted:
        raise UserError(f"Change --text: '{task.name}' has {wanted} texts a row.")
    if choices and not choice_columns(task):
        raise UserError(f"Leave out --choices: '{task.name}' has none.")
    if choices and len(choices) not in (1, number):
        raise UserError(f"Change --choices: '{task.name}' has {number} a row, or one list of them.")
    if texts:
        source = replace(source, text=list(texts), template=None)
    return replace(task, source=replace(source, choices=list(choices) or source.choices))


def predict_rows(
    model: Predictor,
    rows: Iterable[tuple[str, Row]],
    task: Task,
    kept: Sequence[str],
    changes: Changes,
) -> Iterator[list[dict[str, Any]]]:
    """Yield parts of predictions, in the order of the rows, which are numbered from 1.

    Args:
        model: what predicts.
        rows: with where each was found.
        task: which names the columns of texts.
        kept: columns to pass on.
        changes: what a person changes where a row can't be predicted.

    Raises:
        UserError: naming the row, if one can't be predicted.
    """
    unread, first = iter(rows), 1
    while part := list(islice(unread, PART)):
        if kind_of(task).reads_words:
            predicted = _tagged(model, [words_of(task, row, at, changes) for at, row in part])
        elif kind_of(task).sequences > 1:
            predicted = _predicted(model, [choices_of(task, r, at, changes) for at, r in part])
        else:
            texts = [texts_of(task, row, where, changes) for where, row in part]
            predicted = _predicted(model, _as_texts(texts))
        yield [
            {"row": number, **_kept(row, kept, where), **one}
            for number, ((where, row), one) in enumerate(zip(part, predicted, strict=True), first)
        ]
        first += len(part)


def _as_texts(rows: list[list[str]]) -> Texts:
    return [row[0] for row in rows] if len(rows[0]) == 1 else [(row[0], row[1]) for row in rows]


def _tagged(model: Predictor, rows: list[list[str]]) -> list[dict[str, Any]]:
    tags = model.predict(rows)
    return [{"words": words, "prediction": said} for words, said in zip(rows, tags, strict=True)]


def _predicted(model: Predictor, texts: Texts) -> list[dict[str, Any]]:
    if model.labels is None:
        return [{"prediction": number} for number in model.predict(texts)]
    probabilities = model.probabilities(texts)
    names = [f"probability_{label}" for label in model.labels]
    return [
        {"prediction": said, **dict(zip(names, map(float, row), strict=True))}
        for said, row in zip(model.labels_of(probabilities), probabilities, strict=True)
    ]


def _kept(row: Row, kept: Sequence[str], where: str) -> Row:
    if missing := [name for name in kept if name not in row]:
        raise UserError(f"Change --keep: {where} has no column '{missing[0]}'.")
    return {name: row[name] for name in kept}


def rows_of(
    file: Path, file_format: FileFormat, explode: str | None = None
) -> Iterator[tuple[str, Row]]:
    """Yield the rows of a file, each with where it was found.

    Args:
        explode: as the task's source says, which rows there are in a line of the file.

    Raises:
        UserError: if it can't be read.
    """
    unit = "row" if file_format.name == "parquet" else "line"
    for number, row in read_rows(file, file_format, "FILE"):
        if isinstance(row, UserError):
            raise row
        where = f"{file}, {unit} {number}"
        yield from ((where, flat) for flat in flat_rows(row, explode, where))


def write_parts(
    parts: Iterable[list[dict[str, Any]]],
    out: Path | TextIO,
    file_format: str,
    separator: str = SEPARATOR,
) -> Iterator[int]:
    """Write parts of predictions; yield after each how many rows were written in all.

    Args:
        out: a file, or a stream of text.
        file_format: csv, tsv, jsonl or parquet; of words also conll, a line for each word and tag.
        separator: in CSV and TSV, between the labels of a row that may have several, or its words.
    """
    if isinstance(out, Path) and file_format == "parquet":
        yield from _write_parquet(parts, out)
    elif isinstance(out, Path):
        with out.open("w", encoding="utf-8", newline="") as opened:
            yield from _write_text(parts, opened, file_format, separator)
    else:
        yield from _write_text(parts, out, file_format, separator)


def _write_text(
    parts: Iterable[list[dict[str, Any]]], out: TextIO, kind: str, separator: str
) -> Iterator[int]:
    delimiter = "\t" if kind == "tsv" else ","
    writers = {"jsonl": _json_writer, "conll": _conll_writer}
    write = writers[kind](out) if kind in writers else _csv_writer(out, delimiter, separator)
    count = 0
    for part in parts:
        write(part)
        count += len(part)
        yield count


def _json_writer(out: TextIO) -> Callable[[list[dict[str, Any]]], None]:
    def write(part: list[dict[str, Any]]) -> None:
        out.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in part)

    return write


def _conll_writer(out: TextIO) -> Callable[[list[dict[str, Any]]], None]:
    def write(part: list[dict[str, Any]]) -> None:
        if "words" not in part[0]:
            raise UserError(
                "Change --out: a .conll has a tag for each word, and these rows have none."
            )
        for row in part:
            both = zip(row["words"], row["prediction"], strict=True)
            out.writelines(f"{word}\t{tag}\n" for word, tag in both)
            out.write("\n")

    return write


def _csv_writer(
    out: TextIO, delimiter: str, separator: str
) -> Callable[[list[dict[str, Any]]], None]:
    writers: list[Any] = []

    def write(part: list[dict[str, Any]]) -> None:
        if not writers:
            writers.append(
                csv.DictWriter(out, list(part[0]), delimiter=delimiter, lineterminator="\n")
            )
            writers[0].writeheader()
        for row in part:
            lists = {k: row[k] for k in ("words", "prediction") if isinstance(row.get(k), list)}
            writers[0].writerow({**row, **{k: separator.join(v) for k, v in lists.items()}})

    return write


def _with_texts(table: pa.Table) -> pa.Table:
    """Return a table in which lists are of texts, also where all of them are empty."""
    of_texts = pa.list_(pa.string())
    fields = [f.with_type(of_texts) if pa.types.is_list(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _write_parquet(parts: Iterable[list[dict[str, Any]]], out: Path) -> Iterator[int]:
    writer, count = None, 0
    try:
        for part in parts:
            table = _with_texts(pa.Table.from_pylist(part))
            writer = writer or pq.ParquetWriter(out, table.schema)
            writer.write_table(table.cast(writer.schema))
            count += len(part)
            yield count
    finally:
        if writer:
            writer.close()
