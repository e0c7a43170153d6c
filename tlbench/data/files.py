"""The rows of a task that are in local files."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tlbench.config.schema import Source, Task
from tlbench.data.missing_files import no_such_path, no_train_file
from tlbench.data.parsing import usable_rows
from tlbench.data.readers import FileFormat, Row, format_by_name, is_compressed, read_rows
from tlbench.errors import UserError


def file_format(source: Source, name: str) -> FileFormat:
    """Return how a source's files of a format are written."""
    return FileFormat(name, source.header, source.encoding, source.delimiter, source.quoting)


def format_of(task: Task) -> str:
    """Return the format of a task's source: as it says, else by the name of its train file.

    Raises:
        UserError: if neither tells, or there is nothing at ``source.path``.
    """
    source = task.source
    if source.format is not None:
        return source.format
    place = Path(source.path)
    if is_saved(place):
        return "hub"
    try:
        files = [place / str(source.train)] if source.train else sorted(place.glob("train.*"))
        formats = {format_by_name(file) for file in ([place] if place.is_file() else files)}
        is_there = place.exists()
    except (OSError, ValueError):  # a path that no file can have
        formats, is_there = set(), True
    if not is_there:
        raise no_such_path(task)
    if not formats and place.is_dir():
        raise no_train_file(task)
    known = formats - {None}
    if len(known) != 1:
        raise UserError(
            f"Add source.format to task '{task.name}': the name of {place} does not tell it."
        )
    return str(known.pop())


def is_saved(place: Path) -> bool:
    """Whether a folder was written by ``save_to_disk`` of datasets."""
    return any((place / name).is_file() for name in ("dataset_dict.json", "state.json"))


def file_of(task: Task, name: str, origin: Any, format_name: str) -> Path:
    """Return the file of a split.

    Args:
        name: of the split.
        origin: what the source says of it; None for the name that it has by default.

    Raises:
        UserError: if ``source.path`` is one file, and nothing says what dev is.
    """
    place = Path(task.source.path)
    if place.is_file():
        if origin is None and name != "train":
            raise UserError(
                f"Add source.{name} to task '{task.name}': {place} is one file; give a fraction to "
                "cut off it, or another file beside it."
            )
        return place if origin is None else place.parent / str(origin)
    if origin is not None:
        return place / str(origin)
    file = place / f"{name}.{format_name}"
    compressed = (other for other in sorted(place.glob(f"{file.name}.*")) if is_compressed(other))
    return file if file.exists() else next(compressed, file)


def content_of(file: Path) -> str:
    """Return a digest of a file's content.

    Raises:
        OSError: if it can't be read.
        ValueError: of a path that no file can have.
    """
    if file.exists() and not file.is_file():  # to read a pipe might never end
        raise OSError(None, "it is not a file")
    return _digest(str(file), file.stat().st_mtime_ns)


@cache
def _digest(file: str, modified: int) -> str:
    del modified  # only part of the cache's key, so that an edited file is read again
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def file_rows(task: Task, file: Path, format_name: str) -> Iterator[Row]:
    """Yield the usable rows of a file.

    Raises:
        UserError: as ``read_rows`` and ``usable_rows`` do.
    """
    unit = "row" if format_name == "parquet" else "line"
    rows = read_rows(file, file_format(task.source, format_name))
    yield from usable_rows(task, f"{file}, {unit}", rows)
