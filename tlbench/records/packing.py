"""Finds a study's records, in folders of ``result.json`` files or packed into one file."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tlbench.errors import UserError
from tlbench.records.record import RECORD_FILE, ResultRecord, jsonable, parse_record, read_record

PACKED = ".parquet"
_SCHEMA = pa.schema({"file": pa.string(), "record": pa.string()})
_AT_ONCE = 1000  # records held at once

Source = tuple[str, Callable[[], ResultRecord]]  # what a person calls it, and how to read it


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
            for file in _files(study.resolve()):
                if file not in seen:
                    seen.add(file)
                    yield str(file), partial(read_record, file)
        else:
            raise UserError(f"Change STUDY: the folder {study} is not there.")


def _files(top: Path) -> Iterator[Path]:
    """Yield the record files below a folder; hidden folders, as the store, hold none."""
    for folder, children, files in os.walk(top):
        children[:] = sorted(child for child in children if not child.startswith("."))
        if RECORD_FILE in files:
            yield Path(folder, RECORD_FILE)


def _unpack(file: Path) -> Iterator[Source]:
    try:
        opened = pq.ParquetFile(file)
        for batch in opened.iter_batches(_AT_ONCE, columns=_SCHEMA.names):
            for row in batch.to_pylist():
                yield row["file"], partial(parse_record, row["record"], row["file"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UserError(f"Change STUDY: {file} holds no packed records ({error}).") from error


def pack(studies: Sequence[Path], out: Path) -> int:
    """Write all records that can be read into one file, without the paths above the studies.

    Returns:
        How many there were.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_suffix(".draft")  # out may be one of the studies
    count = 0
    with pq.ParquetWriter(draft, _SCHEMA, compression="zstd") as writer:
        every = _rows(studies)
        while rows := list(islice(every, _AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(rows, _SCHEMA))
            count += len(rows)
    draft.replace(out)
    return count


def _rows(studies: Sequence[Path]) -> Iterator[dict[str, str]]:
    folders = [study.resolve() for study in studies if study.is_dir()]
    top = os.path.commonpath([folder.parent for folder in folders]) if folders else ""
    for name, read in sources(studies):
        try:
            record = json.dumps(jsonable(asdict(read())), sort_keys=True)
        except UserError:
            continue  # named already, when the study was read
        yield {
            "file": os.path.relpath(name, top) if Path(name).is_absolute() else name,
            "record": record,
        }
