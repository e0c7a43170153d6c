"""From a task's ``source`` to labelled rows, and to a digest of them.

In any format, a split becomes one memory-mapped ``datasets.Dataset`` with the columns ``text_a``,
``text_b`` (where there are two texts), ``words`` (where each has a label), ``choices`` (where one
of them is right), ``label`` (a class index, a number, or a list of those, as the task's kind says)
and ``in_group`` (where the task has groups), made once per content under ``cache_dir``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tlbench.config.schema import Task
from tlbench.data import files, hub
from tlbench.data.division import VERSION, Division
from tlbench.data.generated_splits import generated_split
from tlbench.data.missing_files import no_such_file, no_such_path
from tlbench.data.readers import FILE_FORMATS, Row
from tlbench.data.split import Split, text_count
from tlbench.data.split_key import digest, key_of_labels, set_keys
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.label_columns import has_label_columns
from tlbench.tasks.splits import as_read, key_of, names_of, origin_of
from tlbench.tasks.unlabelled import labelled, reads_unlabelled

SYNTHESISED = "synthesised"  # the format of rows that a stage writes; ``tlbench.data.written``
FORMATS = (*FILE_FORMATS, "hub", "generated", SYNTHESISED)


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
    key = digest(
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
        return Split(task, name, digest(key, name, *own), lambda: make(name))

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
    return {"hub": _hub_split, "generated": generated_split}.get(name, _file_split)


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
    spec = [format_name, source.text, key_of_labels(task), source.values, source.header]
    key = digest(content, *spec, task.labels, *set_keys(task))
    return Split(task, name, key, lambda: files.file_rows(task, file, format_name))


def _hub_split(task: Task, name: str, origin: Any) -> Split:
    source, place = task.source, hub.place_of(task, name, origin)
    names = hub.label_names(task, place)
    spec = [source.text, key_of_labels(task), source.values, task.labels, names, *set_keys(task)]
    key = digest(hub.content_of(*place), *spec)
    return Split(task, name, key, lambda: hub.hub_rows(task, place, names))
