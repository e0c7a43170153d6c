"""Finds a study's records, in folders of ``result.json`` files or packed into one file."""

import json
import math
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tlbench.errors import UserError
from tlbench.records.places import short, shown_file, without_places
from tlbench.records.predictions import Array, Saved, find_predictions
from tlbench.records.record import (
    RECORD_FILE,
    TRIALS,
    ResultRecord,
    jsonable,
    parse_record,
    read_record,
)

PACKED = ".parquet"
_LISTS = {
    "rows": pa.list_(pa.int64()),
    "labels": pa.list_(pa.float64()),  # and predictions: where each is several numbers, as these
    "predictions": pa.list_(pa.float64()),
    "halves": pa.list_(pa.float64()),
    "counts": pa.list_(pa.float64()),  # of words: of the first row, of the second, ...
    "probabilities": pa.list_(pa.float64()),  # of the first row, of the second, ...
    "groups": pa.list_(pa.float64()),
}
_SCHEMA = pa.schema({"file": pa.string(), "record": pa.string(), **_LISTS})
_NAMED = 3  # records, in a sentence
_AT_ONCE = 1000  # records held at once
_STEPS = 1000  # at the least, between the lowest and the highest of predicted numbers


class Source(NamedTuple):
    """A record that was found: what a person calls it, how to read it, what is packed with it."""

    name: str
    read: Callable[[], ResultRecord]
    predictions: Saved | None = None


def sources(studies: Iterable[Path]) -> Iterator[Source]:
    """Yield every record below folders and in packed files, each file once.

    Raises:
        UserError: if a folder or file is not there, or a file holds no packed records.
    """
    seen: set[Path] = set()
    for study in studies:
        if study.suffix == PACKED and study.is_file():
            yield from _unpack(study)
        elif study.is_dir():
            for file in record_files(study.resolve()):
                if file not in seen:
                    seen.add(file)
                    yield Source(str(file), partial(read_record, file))
        else:
            raise UserError(f"Give another study: the folder {study} is not there.")


def record_files(top: Path) -> Iterator[Path]:
    """Yield the record files below a folder; hidden folders, as the store, hold none.

    Trials of a tuned study are none of its records, and have a folder that is to be named itself.
    """
    for folder, children, files in os.walk(top):
        trials = TRIALS if "multirun.yaml" in files else None
        children[:] = sorted(c for c in children if not c.startswith(".") and c != trials)
        if RECORD_FILE in files:
            yield Path(folder, RECORD_FILE)


def _unpack(file: Path) -> Iterator[Source]:
    try:
        opened = pq.ParquetFile(file)
        # Files of versions before hold no predictions.
        names = [name for name in _SCHEMA.names if name in opened.schema_arrow.names]
        for batch in opened.iter_batches(_AT_ONCE, columns=names):
            for row in batch.to_pylist():
                read = partial(parse_record, row["record"], row["file"])
                yield Source(row["file"], read, _saved(row))
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UserError(f"Give another study: {file} holds no packed records ({error}).") from error


def packed_record(file: Path, name: str) -> ResultRecord:
    """Return a record of a packed file.

    Args:
        name: of the folder that it was in, or all that the file calls it; ``.`` for the only one.

    Raises:
        UserError: if there is no such file or record, or several are called so.
    """
    if not file.is_file():
        raise UserError(f"Give another record: the file {file} is not there.")
    every = {one.name: one for one in _unpack(file)}
    found = [n for n in every if name in (".", n, Path(n).parent.name, str(Path(n).parent))]
    if len(found) != 1:
        some = ", ".join(str(Path(one).parent) for one in (found or [*every])[:_NAMED])
        raise UserError(
            f"Give {file}/<record>: it has {len(found) or 'no'} records of that name; its records "
            f"are {some}, ..."
        )
    return every[found[0]].read()


def _saved(row: Mapping[str, Any]) -> Saved | None:
    if row.get("rows") is None:
        return None
    lists = {name: row[name] for name in _LISTS if row.get(name) is not None}
    arrays = {name: np.array(values, float) for name, values in lists.items()}
    probabilities = arrays.pop("probabilities", None)
    rows, groups = arrays["rows"], arrays.get("groups")
    if (counts := arrays.get("counts")) is not None:
        of_words = Saved.of_counts(rows, counts.reshape(len(rows), -1), arrays.get("halves"))
        return of_words._replace(groups=groups)
    shape = (len(rows), -1) if len(arrays["labels"]) > len(rows) else (len(rows),)
    labels, predictions = (arrays[name].reshape(shape) for name in ("labels", "predictions"))
    saved = Saved(rows, labels, predictions, arrays.get("halves"), groups=groups)
    if probabilities is None:
        return saved
    return saved._replace(probabilities=probabilities.reshape(len(saved.rows), -1))


def pack(studies: Sequence[Path], out: Path, paths: bool = False) -> tuple[int, int]:
    """Write all records that can be read into one file, without what tells of this machine.

    With each go its target's dev labels and predictions, where they are saved: row numbers and no
    text, and rounded where they are no labels. Probabilities go with them where a score is of them.

    Args:
        paths: keep what ``without_places`` leaves out.

    Returns:
        How many records there were, and how many of them with predictions.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_suffix(".draft")  # out may be one of the studies
    count = with_predictions = 0
    with pq.ParquetWriter(draft, _SCHEMA, compression="zstd") as writer:
        every = _rows(studies, paths)
        while rows := list(islice(every, _AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
            count += len(rows)
            with_predictions += sum("rows" in row for row in rows)
    draft.replace(out)
    return count, with_predictions


def _rows(studies: Sequence[Path], paths: bool) -> Iterator[dict[str, Any]]:
    names: set[str] = set()
    for source in sources(studies):
        try:
            record = source.read()
        except UserError:
            continue  # named already, when the study was read
        saved = source.predictions or find_predictions(
            record.target_task,
            record.stage_keys[-1] if record.stage_keys else "",
            record.config.get("store_dir", ""),
            source.name,
            record.config.get("selection", "dev"),
            "+".join(record.config.get("target_task", {}).get("score", ())),
        )
        if saved is not None:
            saved = saved._replace(predictions=_rounded(saved.predictions))
        name = _name(source.name, names)
        names.add(name)
        record = record if paths else without_places(record)
        yield {
            "file": name,
            "record": json.dumps(jsonable(vars(record)), sort_keys=True),
            **(_columns(saved) if saved else {}),
        }


def _name(file: str, others: Container[str]) -> str:
    """Return what a record is called in a packed file, where no two have one name."""
    name = shown_file(file) if Path(file).is_absolute() else file
    return f"{short(str(Path(file).parents[1]))}/{name}" if name in others else name


def _columns(saved: Saved) -> dict[str, Array | None]:
    known = {name: getattr(saved, name) for name in _LISTS}
    return {name: None if array is None else array.ravel() for name, array in known.items()}


def _rounded(predictions: Array) -> Array:
    """Return predicted numbers with the digits that scores need; classes are whole as they are."""
    spread = float(np.ptp(predictions)) if len(predictions) else 0.0
    if spread == 0 or not np.isfinite(spread):
        return predictions
    decimals = math.ceil(math.log10(_STEPS / spread))
    return np.asarray(np.round(predictions, decimals)) if (predictions % 1).any() else predictions
