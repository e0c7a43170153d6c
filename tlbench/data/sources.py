"""From a task's ``source`` to labelled rows, and to a digest of them.

Whatever the format, a split becomes one memory-mapped ``datasets.Dataset`` with the columns
``text_a``, ``text_b`` (where there are two texts) and ``label`` (a class index or a number), made
once per content under ``cache_dir``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, Features, Value, load_dataset
from datasets.exceptions import DatasetGenerationError
from huggingface_hub.utils.logging import set_verbosity_error

from tlbench.config.schema import Task
from tlbench.data import generated
from tlbench.data.cache import cached
from tlbench.data.parsing import canonical
from tlbench.data.readers import FILE_FORMATS, Row, read_rows
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of

# A hub out of reach is told once, in a sentence of ours, not at each of its retries.
set_verbosity_error()  # type: ignore[no-untyped-call]

FORMATS = (*FILE_FORMATS, "hub", "generated")


@dataclass(frozen=True)
class Split:
    """The rows of one split, not read yet: ``key`` is a digest of what they are made of."""

    task: Task
    name: str
    key: str
    make: Callable[[], Iterable[Row]]

    def load(self, cache_dir: str, verify: bool = False) -> Dataset:
        """All rows, in the order of the source; read from ``cache_dir`` the second time.

        Args:
            verify: compare checksums of what is read from there.
        """
        return cached(lambda: self._load(cache_dir), cache_dir, self.key, verify)

    def _load(self, cache_dir: str) -> Dataset:
        columns = {name: Value("string") for name in ("text_a", "text_b")[: text_count(self.task)]}
        features = Features({**columns, "label": Value("float64")})
        try:
            return Dataset.from_generator(
                self.make,
                features=features,
                cache_dir=str(Path(cache_dir) / "rows"),
                fingerprint=self.key,
            )
        except DatasetGenerationError as error:
            if isinstance(error.__cause__, UserError):
                raise error.__cause__ from None
            raise


def text_count(task: Task) -> int:
    """How many texts a row has: one, or two."""
    if task.source.format == "generated":
        return generated.TEXTS[str(task.source.name)]
    return len(task.source.text)


def splits(task: Task) -> dict[str, Split]:
    """``train``, ``dev`` and one ``dev_<name>`` for each of ``source.more_dev``.

    Raises:
        UserError: if the source is not one of ``FORMATS``, or a file or hub dataset is not there.
    """
    source = task.source
    if source.format not in FORMATS:
        known = ", ".join(FORMATS)
        raise UserError(
            f"Change source.format of task '{task.name}': '{source.format}' is not one of {known}."
        )
    if source.format != "generated" and text_count(task) not in (1, 2):
        raise UserError(f"Change source.text of task '{task.name}': name one or two columns.")
    origins = {"train": source.train, "dev": source.dev}
    origins |= {f"dev_{name}": origin for name, origin in source.more_dev.items()}
    maker = {"hub": _hub_split, "generated": _generated_split}.get(source.format, _file_split)
    return {name: maker(task, name, origin) for name, origin in origins.items()}


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _generated_split(task: Task, name: str, origin: Any) -> Split:
    source = task.source
    if source.name not in generated.TEXTS:
        raise UserError(
            f"Change source.name of task '{task.name}': the generated suite has no '{source.name}'."
        )
    if not isinstance(origin, int) or not 1 <= origin <= generated.MOST_ROWS:
        raise UserError(
            f"Change source.{name} of task '{task.name}': give a number of rows to make, up to "
            f"{generated.MOST_ROWS}, not {origin}."
        )
    arguments = (source.name, name, origin, source.seed)
    key = _digest("generated", generated.VERSION, *arguments)
    return Split(task, name, key, lambda: generated.rows(*arguments))


def _file_split(task: Task, name: str, origin: Any) -> Split:
    source = task.source
    file = Path(source.path) / str(origin or f"{name}.{source.format}")
    try:
        if file.exists() and not file.is_file():  # the digest of a pipe would never end
            raise OSError(None, "it is not a file")
        content = _file_digest(str(file), file.stat().st_mtime_ns)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise UserError(
            f"Change source.path of task '{task.name}' (for GLUE's files: suite.root): {file} "
            f"can't be read ({getattr(error, 'strerror', error)})."
        ) from error
    spec = [source.format, source.text, source.label, source.values, source.header]
    spec += [task.labels, *([task.kind] if task.kind else [])]
    return Split(task, name, _digest(content, *spec), lambda: _file_rows(task, file))


@cache
def _file_digest(file: str, modified: int) -> str:
    del modified  # only there so that an edited file is read again
    with Path(file).open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _file_rows(task: Task, file: Path) -> Iterator[Row]:
    source = task.source
    to_label = kind_of(task).labeller()
    unit = "row" if source.format == "parquet" else "line"
    for number, row in read_rows(file, source.format, source.header):
        yield canonical(task, row, to_label, f"{file}, {unit} {number}")


def _hub_split(task: Task, name: str, origin: Any) -> Split:
    source = task.source
    where = (task.name, source.path, source.name, str(origin))
    dataset = _load_hub(*where)
    label = (dataset.features or {}).get(str(source.label))
    names = label.names if isinstance(label, ClassLabel) else None
    to_label = kind_of(task).labeller()

    def make() -> Iterator[Row]:
        for i, row in enumerate(dataset):
            if names and isinstance(row[source.label], int) and row[source.label] >= 0:
                row = {**row, source.label: names[row[source.label]]}
            yield canonical(task, row, to_label, f"{source.path} {source.name} {origin}, row {i}")

    spec = [source.text, source.label, source.values, task.labels, names]
    spec += [task.kind] if task.kind else []
    return Split(task, name, _digest(_hub_content(*where), *spec), make)


@cache
def _load_hub(task: str, path: str, name: str | None, split: str) -> Dataset:
    # datasets caches a local folder under its last name: two folders, or one that was edited,
    # would be taken for the same. Streaming reads it as it is.
    local = Path(path).is_dir()
    try:
        # Whatever revision this is, a digest of its rows goes into the stage's key.
        return load_dataset(path, name, split=split, streaming=local)  # nosec B615
    except Exception as error:  # datasets has no common base for "not there"
        reason = str(error).splitlines()[0]
        raise UserError(
            f"Change suite (suite=glue_tsv and suite=generated need no download) or source.path of "
            f"task '{task}': '{path}' {name or ''} {split} can't be loaded ({reason})."
        ) from error


@cache  # reading all rows takes seconds, and a sweep asks for every experiment
def _hub_content(task: str, path: str, name: str | None, split: str) -> str:
    sha = hashlib.sha256()
    for batch in _load_hub(task, path, name, split).iter(batch_size=10_000):
        sha.update(json.dumps(batch, sort_keys=True, default=str).encode())
    return sha.hexdigest()
