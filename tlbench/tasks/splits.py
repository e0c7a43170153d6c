"""How each split of a task is read: as its source says, or with keys of the split's own.

Where a source says of a split in which file it is, or as which split of the hub's dataset, it may
also give a mapping: ``split``, which says that, and any keys of a source that are others there.
"""

import json
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tlbench.config.schema import Source, Task
from tlbench.config.validation import checked
from tlbench.errors import UserError
from tlbench.tasks.unlabelled import reads_unlabelled

_SPLITS = ("train", "dev", "test")
_MORE = "dev_"  # begins the names of splits of ``more_dev``
_OWN_KEYS = tuple(
    one.name for one in fields(Source) if one.name not in (*_SPLITS, "more_dev", "unlabelled")
)


def names_of(task: Task) -> list[str]:
    """Return the names of the splits that a task may have."""
    return [*_SPLITS, *(f"{_MORE}{name}" for name in task.source.more_dev)]


def is_more(split: str) -> bool:
    """Whether a split is one of ``more_dev``."""
    return split.startswith(_MORE)


def key_of(task: Task, split: str) -> str:
    """Return the key of a source that says where a split is: ``dev``, ``more_dev.hans``."""
    if reads_unlabelled(task, split):
        return "unlabelled"
    return f"more_dev.{split.removeprefix(_MORE)}" if is_more(split) else split


def _said(task: Task, split: str) -> Any:
    """Return what the source says of a split; rows held out of train are in its."""
    source, split = task.source, "train" if split == "held_out" else split
    if reads_unlabelled(task, split):
        return source.unlabelled
    return source.more_dev[split.removeprefix(_MORE)] if is_more(split) else getattr(source, split)


def origin_of(task: Task, split: str) -> Any:
    """Return the file, split of the hub, number or fraction that a split is; None by default."""
    said = _said(task, split)
    if not isinstance(said, dict):
        return said
    file = Path(as_read(task, split).source.path)
    is_file = "path" in said and said.get("split") is None and file.is_file()
    return file.name if is_file else said.get("split")


def as_read(task: Task, split: str) -> Task:
    """Return a task with the source that a split of it is read by: the same if it is no other.

    Raises:
        UserError: if the split has a key of its own that no source has, or a value that is wrong.
    """
    if reads_unlabelled(task, split):
        task = replace(task, source=replace(task.source, label=None, label_columns=None))
    own = _said(task, split)
    if not isinstance(own, dict):
        return task
    where = f"source.{key_of(task, split)} of task '{task.name}'"
    for key in own:
        if key not in ("split", *_OWN_KEYS):
            raise UserError(f"Change {where}: {key!r} is none of split, {', '.join(_OWN_KEYS)}.")
    if isinstance(own.get("split"), dict | list | float):
        raise UserError(f"Change {where}, its split: name a file, or a split of the hub.")
    changed = _checked(
        json.dumps({key: value for key, value in own.items() if key != "split"}),
        f"source.{key_of(task, split)}",
    )
    if "template" in changed:
        changed = {"text": [], **changed}
    elif "text" in changed:
        changed = {"template": None, **changed}
    return replace(task, source=replace(task.source, **changed))


@cache  # a sweep asks thousands of times for the same splits
def _checked(own: str, where: str) -> dict[str, Any]:
    """Return keys that a split has of its own, as JSON, with the types that sources have."""
    plain = json.loads(own)
    source = checked(Source, OmegaConf.create(plain), where)
    return {key: getattr(source, key) for key in plain}
