"""From a task's ``source`` to labelled rows, and to a digest of them.

In any format, a split becomes one memory-mapped ``datasets.Dataset`` with the columns ``text_a``,
``text_b`` (where there are two texts) and ``label`` (a class index or a number), made once per
content under ``cache_dir``.
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

# That the hub can't be reached is said once, by our own error, and not at each of its retries.
set_verbosity_error()  # type: ignore[no-untyped-call]

FORMATS = (*FILE_FORMATS, "hub", "generated")


@dataclass(frozen=True)
class Split:
    """The rows of one split, not read yet.

    Attributes:
        name: ``train``, ``dev``, ``dev_<name>`` or ``test``.
        key: a digest of what the rows are made of; other rows have another.
        make: yields them, with ``text_a``, ``text_b`` where there are two texts, and ``label``.
    """

    task: Task
    name: str
    key: str
    make: Callable[[], Iterable[Row]]

    def load(self, cache_dir: str, verify: bool = False) -> Dataset:
        """Return all rows, in the order of the source; from ``cache_dir`` the second time.

        Args:
            cache_dir: where they are kept.
            verify: compare checksums of what is read from there.

        Raises:
            UserError: if a row can't be used, or ``cache_dir`` can't be written.
        """
        return cached(lambda: self._load(cache_dir), cache_dir, self.key, verify)

    def _load(self, cache_dir: str) -> Dataset:
        columns = {name: Value("string") for name in ("text_a", "text_b")[: text_count(self.task)]}
        features = Features({**columns, "label": Value("float64")})
        try:
            # With this fingerprint datasets finds the rows of an earlier run; by itself it would
            # hash the generator, which may differ from run to run.
            return Dataset.from_generator(
                self.make,
                features=features,
                cache_dir=str(Path(cache_dir) / "rows"),
                fingerprint=self.key,
            )
        except DatasetGenerationError as error:
            # datasets wraps whatever its generator raises; what is wrong with a row is for users.
            if isinstance(error.__cause__, UserError):
                raise error.__cause__ from None
            raise


def text_count(task: Task) -> int:
    """Return how many texts a row has: one, or two."""
    if task.source.format == "generated":
        return generated.TEXTS[str(task.source.name)]
    return len(task.source.text)


def text_columns(task: Task) -> list[str]:
    """Return the columns of a row's texts; those that generated rows are given, which have none."""
    return task.source.text or ["text_a", "text_b"][: text_count(task)]


def splits(task: Task) -> dict[str, Split]:
    """Return ``train``, ``dev`` and one ``dev_<name>`` for each of ``source.more_dev``.

    Raises:
        UserError: if the source is not one of ``FORMATS``, or a file or hub dataset is not there.
    """
    source = task.source
    make_split = _maker(task)
    origins = {"train": source.train, "dev": source.dev}
    origins |= {f"dev_{name}": origin for name, origin in source.more_dev.items()}
    return {name: make_split(task, name, origin) for name, origin in origins.items()}


def final_split(task: Task) -> Split | None:
    """Return the split ``test``; None where there is no ``source.test``.

    Raises:
        UserError: as ``splits`` does.
    """
    origin = task.source.test
    return None if origin is None else _maker(task)(task, "test", origin)


def _maker(task: Task) -> Callable[[Task, str, Any], Split]:
    """Return what makes the splits of a source's format."""
    source = task.source
    if source.format not in FORMATS:
        raise UserError(
            f"Change source.format of task '{task.name}': '{source.format}' is not one of "
            f"{', '.join(FORMATS)}."
        )
    if source.format != "generated" and text_count(task) not in (1, 2):
        raise UserError(f"Change source.text of task '{task.name}': name one or two columns.")
    return {"hub": _hub_split, "generated": _generated_split}.get(source.format, _file_split)


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
    if name == "test":
        return _generated_test(task, origin)
    arguments = (source.name, name, origin, source.seed)
    key = _digest("generated", generated.VERSION, *arguments)
    return Split(task, name, key, lambda: generated.rows(*arguments))


def _generated_test(task: Task, count: int) -> Split:
    source = task.source
    dev = {"dev": source.dev} | {f"dev_{name}": rows for name, rows in source.more_dev.items()}
    arguments = (str(source.name), count, source.seed, dev)
    key = _digest("generated", generated.VERSION, "test", *arguments)
    return Split(task, "test", key, lambda: generated.unseen_rows(*arguments))


def _file_split(task: Task, name: str, origin: Any) -> Split:
    source = task.source
    file = Path(source.path) / str(origin or f"{name}.{source.format}")
    try:
        if file.exists() and not file.is_file():  # to read a pipe might never end
            raise OSError(None, "it is not a file")
        content = _file_digest(str(file), file.stat().st_mtime_ns)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        key = "source.test" if name == "test" else "source.path"
        raise UserError(
            f"Change {key} of task '{task.name}' (for GLUE's files: suite.root): {file} "
            f"can't be read ({getattr(error, 'strerror', error)})."
        ) from error
    # With the file's content, all that decides which rows are made of it.
    spec = [source.format, source.text, source.label, source.values, source.header]
    spec += [task.labels, *([task.kind] if task.kind else [])]
    return Split(task, name, _digest(content, *spec), lambda: _file_rows(task, file))


@cache
def _file_digest(file: str, modified: int) -> str:
    del modified  # only part of the cache's key, so that an edited file is read again
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
    place = (task.name, source.path, source.name, str(origin))
    dataset = _load_hub(*place)
    label = (dataset.features or {}).get(str(source.label))
    # Such a label is stored as an index into names; -1 stands for a label that is withheld.
    names = label.names if isinstance(label, ClassLabel) else None
    to_label = kind_of(task).labeller()

    def make() -> Iterator[Row]:
        for i, row in enumerate(dataset):
            if names and isinstance(row[source.label], int) and row[source.label] >= 0:
                row = {**row, source.label: names[row[source.label]]}
            yield canonical(task, row, to_label, f"{source.path} {source.name} {origin}, row {i}")

    spec = [source.text, source.label, source.values, task.labels, names]
    spec += [task.kind] if task.kind else []
    return Split(task, name, _digest(_hub_content(*place), *spec), make)


@cache
def _load_hub(task: str, path: str, name: str | None, split: str) -> Dataset:
    # datasets caches a local folder under its last name: two folders, or one that was edited,
    # would be taken for the same. Streaming reads it as it is.
    local = Path(path).is_dir()
    try:
        # Whatever revision this is, a digest of its rows goes into the stage's key.
        return load_dataset(path, name, split=split, streaming=local)  # nosec B615
    except Exception as error:  # datasets has no common base class for "does not exist"
        reason = str(error).splitlines()[0]
        raise UserError(
            f"Change suite (suite=glue_tsv and suite=generated need no download) or source.path of "
            f"task '{task}': '{path}' {name or ''} {split} can't be loaded ({reason})."
        ) from error


@cache  # reading all rows takes seconds, and a sweep asks for every experiment
def _hub_content(task: str, path: str, name: str | None, split: str) -> str:
    # Of the rows and not of the files: a hub's dataset may be stored in other files, or be a
    # local copy, and have the same rows.
    sha = hashlib.sha256()
    for batch in _load_hub(task, path, name, split).iter(batch_size=10_000):
        sha.update(json.dumps(batch, sort_keys=True, default=str).encode())
    return sha.hexdigest()
