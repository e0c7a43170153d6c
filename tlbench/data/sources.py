"""From a task's ``source`` to labelled rows, and to a digest of them.

In any format, a split becomes one memory-mapped ``datasets.Dataset`` with the columns ``text_a``,
``text_b`` (where there are two texts), ``words`` (where each has a label), ``choices`` (where one
of them is right), ``label`` (a class index, a number, or a list of those, as the task's kind says)
and ``in_group`` (where the task has groups), made once per content under ``cache_dir``.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Sequence, Value
from datasets.exceptions import DatasetGenerationError
from numpy.typing import NDArray

from tlbench.config.keys import declared, value_at
from tlbench.config.schema import Source, Task
from tlbench.data import files, generated, hub
from tlbench.data.cache import cached
from tlbench.data.division import VERSION, Division
from tlbench.data.groups import IN_GROUP, with_groups
from tlbench.data.missing_files import no_such_file, no_such_path
from tlbench.data.parsing import columns_of, texts_per_row
from tlbench.data.readers import FILE_FORMATS, Row
from tlbench.errors import UserError
from tlbench.progress import counted
from tlbench.tasks.kinds import class_of, kind_of
from tlbench.tasks.label_columns import has_label_columns, label_column, label_columns
from tlbench.tasks.relabelling import new_labels
from tlbench.tasks.splits import as_read, key_of, names_of, origin_of
from tlbench.tasks.unlabelled import labelled, reads_unlabelled

SYNTHESISED = "synthesised"  # the format of rows that a stage writes; ``tlbench.data.written``
FORMATS = (*FILE_FORMATS, "hub", "generated", SYNTHESISED)
# Keys of a source that a split's digest holds where they are set: they decide which rows there are.
_ROW_KEYS = (
    "template",
    "choices",
    "label_columns",
    "separator",
    "explode",
    "keep",
    "strip",
    "group",
    "encoding",
    "delimiter",
    "quoting",
)


@dataclass(frozen=True)
class Split:
    """The rows of one split, not read yet.

    Attributes:
        task: as the split is read (``tlbench.tasks.splits``).
        name: ``train``, ``dev``, ``dev_<name>`` or ``test``.
        key: a digest of what the rows are made of; other rows have another.
        make: yields them, with ``text_a``, ``text_b`` where there are two texts, and ``label``.
    """

    task: Task
    name: str
    key: str
    make: Callable[[], Iterable[Row]]

    @property
    def title(self) -> str:
        return f"{self.task.name} {self.name}"

    @property
    def phase(self) -> str:
        return f"reading {self.title}"

    @property
    def cache_key(self) -> str:
        """A digest of the rows themselves, by which they are kept."""
        return self.key

    def load(self, cache_dir: str, verify: bool = False) -> Dataset:
        """Return all rows, in the order of the source; from ``cache_dir`` the second time.

        Args:
            cache_dir: where they are kept.
            verify: compare checksums of what is read from there.

        Raises:
            UserError: if a row can't be used, or ``cache_dir`` can't be written.
        """
        return cached(lambda: self._load(cache_dir), cache_dir, self.cache_key, verify, self.phase)

    def _load(self, cache_dir: str) -> Dataset:
        text, number, kind = Value("string"), Value("float64"), kind_of(self.task)
        names = ("text_a", "text_b")[: text_count(self.task)]
        columns: dict[str, Any] = dict.fromkeys(names, text)
        if kind.reads_words:
            columns["words"] = Sequence(text)
        if kind.has_choices:
            columns = {"text_a": text, "choices": Sequence(text, kind.sequences)}
        is_one = kind.label_length is None or not kind.reads_labels
        label = number if is_one else Sequence(number, kind.label_length)
        groups = {} if self.task.groups is None else {IN_GROUP: text}
        features = Features({**columns, "label": label, **groups})
        try:
            # With this fingerprint datasets finds the rows of an earlier run; by itself it would
            # hash the generator, which may differ from run to run.
            return Dataset.from_generator(
                lambda: ({name: row[name] for name in features} for row in counted(self.make())),
                features=features,
                cache_dir=str(Path(cache_dir) / "rows"),
                fingerprint=self.cache_key,
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
    return texts_per_row(task)


def text_columns(task: Task) -> list[str]:
    """Return the columns of a row's texts; those that generated rows are given, which have none."""
    generated_ones = ["words"] if kind_of(task).reads_words else ["text_a", "text_b"]
    return columns_of(task) or generated_ones[: text_count(task)]


def splits(task: Task) -> dict[str, Split]:
    """Return ``train``, ``dev`` and one ``dev_<name>`` for each of ``source.more_dev``.

    Raises:
        UserError: if the source is not one of ``FORMATS``, or a file or hub dataset is not there.
    """
    names = ("train", "dev", *(f"dev_{name}" for name in task.source.more_dev))
    if not reads_unlabelled(task, "train"):
        return _splits(task, names)
    return _splits(labelled(task), names) | {"train": _split(task, "train")}


def final_split(task: Task) -> Split | None:
    """Return the split ``test``; None where there is no ``source.test``.

    Raises:
        UserError: as ``splits`` does.
    """
    return None if task.source.test is None else _splits(task, ("test",))["test"]


def _splits(task: Task, names: Iterable[str]) -> dict[str, Split]:
    """Return splits of these names; a fraction is cut off the rows of train."""
    origins = {name: origin_of(task, name) for name in names_of(task)}
    fractions = {name: part for name, part in origins.items() if isinstance(part, float)}
    _check_fractions(task, fractions)
    cut = _divided(task, _split(task, "train"), fractions) if fractions else {}
    return {name: cut[name] if name in cut else _split(task, name) for name in names}


def _split(task: Task, name: str) -> Split:
    """Return a split that is not cut off another, by the source that it is read by.

    Raises:
        UserError: as ``splits`` does; of a source of the split's own it says whose that is.
    """
    read, origin, key = as_read(task, name), origin_of(task, name), f"source.{key_of(task, name)}"
    if read is not task and text_count(read) != text_count(task):
        raise UserError(
            f"Change {key} of task '{task.name}': its rows have {text_count(read)} texts, and "
            f"those of others {text_count(task)}."
        )
    try:
        return _maker(read)(read, name, origin)
    except UserError as error:
        if read is task or key in str(error):
            raise
        raise UserError(f"Change {key} of task '{task.name}', in which: {error}") from error


def _check_fractions(task: Task, fractions: Mapping[str, float]) -> None:
    where = f"of task '{task.name}'"
    for name, part in fractions.items():
        if name == "train" or not 0 < part < 1:
            raise UserError(
                f"Change source.{key_of(task, name)} {where}: {part:g} is no fraction to cut off "
                "train."
            )
    if sum(fractions.values()) >= 1:
        keys = " and ".join(f"source.{name}" for name in fractions)
        raise UserError(f"Change {keys} {where}: together they leave nothing to train on.")
    if task.source.group is not None and not fractions:
        raise UserError(f"Leave out source.group {where}: no fraction is cut off its train rows.")


def _divided(task: Task, whole: Split, fractions: Mapping[str, float]) -> dict[str, Split]:
    """Return train and what is cut off it, as splits of the rows of all."""
    division = Division(fractions, task.source.seed, task.labels is not None)
    labelled = _labelled(task, whole)
    key = _digest(
        "divided", VERSION, labelled.key, dict(fractions), division.seed, division.has_classes
    )
    own = [] if labelled is whole else [whole.key]

    def make(name: str) -> Iterable[Row]:
        if key not in _sides:
            rows = labelled.make()
            if has_label_columns(task):  # cut alike for all tasks, of which some may have none
                rows = (row | {"label": 0.0} for row in rows)
            _sides[key] = division.side_of_rows(rows)
        wanted = division.sides.index(name)
        for side, row in zip(_sides[key], whole.make(), strict=True):
            if side == wanted:
                yield row

    def split(name: str) -> Split:
        return Split(task, name, _digest(key, name, *own), lambda: make(name))

    return {name: split(name) for name in division.sides}


def _labelled(task: Task, whole: Split) -> Split:
    """Return all rows with the labels by which they are cut: those of a task that reads none too.

    Else it would be cut otherwise than the task whose rows these are, and train on its dev rows.
    """
    source = task.source
    has_labels = isinstance(source.label, str) or source.label_columns is not None
    if kind_of(task).reads_labels or not has_labels:
        return whole
    return _split(replace(task, kind=task.cut_as, cut_as=None), "train")


_sides: dict[str, NDArray[Any]] = {}


def _maker(task: Task) -> Callable[[Task, str, Any], Split]:
    """Return what makes the splits of a source's format."""
    name = files.format_of(task)
    if name not in FORMATS:
        raise UserError(
            f"Change source.format of task '{task.name}': '{name}' is not one of "
            f"{', '.join(FORMATS)}."
        )
    if name == SYNTHESISED:
        raise UserError(
            f"Change the task '{task.name}' to a support of one target: its rows are written for "
            f"it (source.format={SYNTHESISED}), as support_task or in strategy.tasks."
        )
    if name != "generated" and text_count(task) not in (1, 2):
        raise UserError(
            f"Change source.text of task '{task.name}': name one or two columns; source.template "
            "makes a text of several."
        )
    return {"hub": _hub_split, "generated": _generated_split}.get(name, _file_split)


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
    key = _digest("generated", generated.VERSION, *arguments, *_reading_key(task))
    return Split(task, name, key, lambda: _as_read(task, generated.rows(*arguments)))


def _generated_test(task: Task, count: int) -> Split:
    source = task.source
    dev = {"dev": source.dev} | {f"dev_{name}": rows for name, rows in source.more_dev.items()}
    arguments = (str(source.name), count, source.seed, dev)
    key = _digest("generated", generated.VERSION, "test", *arguments, *_reading_key(task))
    return Split(task, "test", key, lambda: _as_read(task, generated.unseen_rows(*arguments)))


def _as_read(task: Task, rows: Iterable[Row]) -> Iterable[Row]:
    """Yield generated rows, relabelled and with the group of each, where the task says so."""
    grouped, read_label = with_groups(task), _label_reader(task)
    for number, row in enumerate(rows):
        read = row | {"label": read_label(row["label"])}
        yield grouped(row, read, f"the generated rows, row {number}")


def _label_reader(task: Task) -> Callable[[Any], Any]:
    """Return what reads the label of a generated row: as 0 by a kind that reads none."""
    if not class_of(task).reads_labels:
        return lambda label: 0.0
    if task.relabel is None:
        return lambda label: label
    labels = new_labels(task)
    return lambda label: labels[int(label)]


def _reading_key(task: Task) -> list[Any]:
    """Return what the digest of generated rows holds of how they are read; nothing as they are."""
    unread = [] if class_of(task).reads_labels else [task.kind]
    relabelled = [] if task.relabel is None else [_relabel_key(task)]
    return unread + relabelled + ([] if task.groups is None else [task.groups, task.labels])


def _relabel_key(task: Task) -> Any:
    """Return ``relabel`` with its order, which says what generated rows' numbers mean."""
    return [*(task.relabel or {}).items(), *(task.labels or [])]


def _file_split(task: Task, name: str, origin: Any) -> Split:
    source, format_name = task.source, files.format_of(task)
    file = files.file_of(task, name, origin, format_name)
    try:
        content = files.content_of(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        is_there = Path(source.path).exists()
        raise (no_such_file(task, name, file) if is_there else no_such_path(task)) from error
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        key = "source.test" if name == "test" else "source.path"
        raise UserError(
            f"Change {key} of task '{task.name}' (for GLUE's files: suite.root): {file} "
            f"can't be read ({getattr(error, 'strerror', error)})."
        ) from error
    # With the file's content, all that decides which rows are made of it.
    spec = [format_name, source.text, _labels_of(task), source.values, source.header]
    key = _digest(content, *spec, task.labels, *_set_keys(task))
    return Split(task, name, key, lambda: files.file_rows(task, file, format_name))


def _labels_of(task: Task) -> Any:
    """Return what a digest holds of the columns of labels: the task's, and which rows there are."""
    if not has_label_columns(task):
        return task.source.label if class_of(task).reads_labels else None
    return [label_column(task), sorted({*label_columns(task)})]


def _set_keys(task: Task) -> list[Any]:
    """Return what a digest holds of the keys that came later: of those that are set alone."""
    keys = declared(Source)
    values = {key: value_at(task.source, key) for key in _ROW_KEYS}
    changed = {key: value for key, value in values.items() if not keys[key].is_left_out(value)}
    changed |= {} if task.groups is None else {"groups": task.groups}
    changed |= {} if task.relabel is None else {"relabel": _relabel_key(task)}
    return [*([task.kind] if task.kind else []), *([changed] if changed else [])]


def _hub_split(task: Task, name: str, origin: Any) -> Split:
    source, place = task.source, hub.place_of(task, name, origin)
    names = hub.label_names(task, place)
    spec = [source.text, _labels_of(task), source.values, task.labels, names, *_set_keys(task)]
    key = _digest(hub.content_of(*place), *spec)
    return Split(task, name, key, lambda: hub.hub_rows(task, place, names))
