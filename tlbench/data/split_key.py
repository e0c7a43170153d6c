"""Digests of what the rows of a split are made of; other rows have another."""

import hashlib
import json
from typing import Any

from tlbench.config.keys import declared, value_at
from tlbench.config.schema import Source, Task
from tlbench.tasks.kinds import class_of
from tlbench.tasks.label_columns import has_label_columns, label_column, label_columns

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


def digest(*parts: Any) -> str:
    """Return the digest of anything that is written as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def key_of_labels(task: Task) -> Any:
    """Return what a digest holds of the columns of labels: the task's, and which rows there are."""
    if not has_label_columns(task):
        return task.source.label if class_of(task).reads_labels else None
    return [label_column(task), sorted({*label_columns(task)})]


def set_keys(task: Task) -> list[Any]:
    """Return what a digest holds of the keys that came later: of those that are set alone."""
    keys = declared(Source)
    values = {key: value_at(task.source, key) for key in _ROW_KEYS}
    changed = {key: value for key, value in values.items() if not keys[key].is_left_out(value)}
    changed |= {} if task.groups is None else {"groups": task.groups}
    changed |= {} if task.relabel is None else {"relabel": relabel_key(task)}
    return [*([task.kind] if task.kind else []), *([changed] if changed else [])]


def relabel_key(task: Task) -> Any:
    """Return ``relabel`` with its order, which says what generated rows' numbers mean."""
    return [*(task.relabel or {}).items(), *(task.labels or [])]
