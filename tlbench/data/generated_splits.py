"""Splits of the generated suite, whose rows are made and not read."""

from collections.abc import Callable, Iterable
from typing import Any

from tlbench.config.schema import Task
from tlbench.data import generated
from tlbench.data.groups import with_groups
from tlbench.data.readers import Row
from tlbench.data.split import Split
from tlbench.data.split_key import digest, relabel_key
from tlbench.errors import UserError
from tlbench.tasks.kinds import class_of
from tlbench.tasks.relabelling import new_labels


def generated_split(task: Task, name: str, origin: Any) -> Split:
    """Return a split of a generated task, of ``origin`` rows.

    Raises:
        UserError: for a task that there is not, or a number of rows that can't be made.
    """
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
    key = digest("generated", generated.VERSION, *arguments, *_reading_key(task))
    return Split(task, name, key, lambda: _as_read(task, generated.rows(*arguments)))


def _generated_test(task: Task, count: int) -> Split:
    source = task.source
    dev = {"dev": source.dev} | {f"dev_{name}": rows for name, rows in source.more_dev.items()}
    arguments = (str(source.name), count, source.seed, dev)
    key = digest("generated", generated.VERSION, "test", *arguments, *_reading_key(task))
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
    relabelled = [] if task.relabel is None else [relabel_key(task)]
    return unread + relabelled + ([] if task.groups is None else [task.groups, task.labels])
