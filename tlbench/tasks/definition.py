"""What can be wrong with a task's definition."""

import re
from collections.abc import Sequence
from string import Formatter

from tlbench.config.keys import value_at
from tlbench.config.schema import Task
from tlbench.config.validation import NAME, NAME_RULE, one_of
from tlbench.errors import UserError
from tlbench.tasks.base import TaskKind
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.label_columns import label_column, label_columns
from tlbench.tasks.more_metrics import check_more_metrics, metrics_of
from tlbench.tasks.relabelling import source_labels
from tlbench.tasks.splits import as_read, is_more, key_of, names_of
from tlbench.tasks.worst_group import base_of, bases, check_worst


def check_task(task: Task) -> None:
    """Refuse a name that no folder can have, and metrics that do not go with the kind.

    Raises:
        UserError: naming the key of the task to change.
    """
    where = f"of task '{task.name}'"
    if not re.fullmatch(NAME, task.name):  # it names folders and modules
        raise UserError(f"Change name {where}: {NAME_RULE}.")
    for name in task.source.more_dev:  # it names metrics
        if not re.fullmatch(NAME, str(name)):
            raise UserError(f"Change source.more_dev {where}: '{name}': {NAME_RULE}.")
    _check_words(task, where)
    _check_texts(task, where)
    kind = kind_of(task)
    _check_label(task, kind, where)
    for split in names_of(task):
        _check_split(kind, split)
    metrics = metrics_of(kind)
    check_worst(task, [*task.metrics, *task.score])
    for metric in [*task.metrics, *task.score]:
        one_of(f"metrics or score {where}", base_of(metric), metrics)
    if not task.score or not set(task.score) <= set(task.metrics):
        raise UserError(f"Change score {where}: name one or more of its metrics.")
    for name in task.score:
        if metrics[base_of(name)].less_is_better:
            _refuse_error(task, name, where)
    _check_probabilities(kind, where)
    kind.check()
    check_more_metrics(kind)


def _check_split(kind: TaskKind, split: str) -> None:
    """Refuse what a split has of its own and the task can't be scored on.

    Raises:
        UserError: naming the split and the key to change.
    """
    task = kind.task
    read = as_read(task, split)
    if read is task:
        return
    where = f"source.{key_of(split)} of task '{task.name}'"
    _check_texts(read, f"of task '{task.name}', in its {key_of(split)}")
    source, labels = read.source, source_labels(task)
    if source.values is None or not labels or source.values == task.source.values:
        return
    count, written = len(labels), len(set(source.values))
    if len(source.values) != count:
        raise UserError(
            f"Change {where}: its values say how each of {', '.join(labels)} is written, in this "
            "order."
        )
    if written < count and not (kind.may_merge and is_more(split)):
        raise UserError(f"Change {where}: in its values no two labels can be written the same.")
    if written < 2:
        raise UserError(f"Change {where}: its values write all labels the same.")


def _refuse_error(task: Task, name: str, where: str) -> None:
    """Refuse an error in a score: the largest would be the best."""
    if base_of(name) in task.more_metrics:
        why = f"the class of '{name}' does not say that higher_is_better, as a score is compared"
    else:
        why = f"less is better of '{name}', and more of a score"
    raise UserError(f"Change score {where}: {why}; it can be in metrics.")


def _check_probabilities(kind: TaskKind, where: str) -> None:
    metrics, names = metrics_of(kind), bases("+".join(kind.task.metrics))
    needing = [name for name in names if metrics[name].of_probabilities]
    for method in ("probabilities", "constant_probabilities"):
        if needing and getattr(type(kind), method) is getattr(TaskKind, method):
            raise UserError(
                f"Change metrics {where}, or its kind: {needing[0]} needs {method}, and "
                f"{type(kind).__name__} has none."
            )


def _check_words(task: Task, where: str) -> None:
    # OmegaConf takes a list for an element of a list of words.
    for name in (
        "labels",
        "score",
        "metrics",
        "source.text",
        "source.template",
        "source.values",
        "source.label_columns",
        "source.choices",
        "groups",
    ):
        wrong = [word for word in value_at(task, name) or () if not isinstance(word, str)]
        if wrong:
            raise UserError(f"Change {name} {where}: {wrong[0]} is not a word.")


def _check_texts(task: Task, where: str) -> None:
    """Refuse texts of a wrong template, and such as the label itself is in."""
    template = task.source.template
    columns = list(task.source.text) if template is None else _columns(task, template, where)
    key = "text" if template is None else "template"
    for label in [*label_columns(task), *(task.source.label_columns or ())]:
        if label in columns or label in (task.source.choices or ()):
            key = key if label in columns else "choices"
            raise UserError(f"Change source.{key} {where}: '{label}' is the column of a label.")


def _check_label(task: Task, kind: TaskKind, where: str) -> None:
    """Refuse a source.label that is neither a column nor, by task, a column each."""
    label = task.source.label
    if not isinstance(label, str | dict | None) or isinstance(label, bool):
        raise UserError(f"Change source.label {where}: name a column, or by task a column each.")
    if not isinstance(label, dict):
        return
    label_column(task)
    for name, column in label.items():
        if not isinstance(column, str):
            raise UserError(f"Change source.label {where}: {column} of '{name}' is no column.")
    if kind.reads_words or task.source.format == "generated":
        why = "rows of words" if kind.reads_words else "generated rows"
        raise UserError(f"Change source.label {where} to one column: {why} have one task's labels.")


def _columns(task: Task, template: Sequence[str], where: str) -> list[str]:
    columns: list[str] = []
    if task.source.text:
        raise UserError(f"Leave out source.text {where}: source.template makes its texts.")
    for text in template:
        try:
            fields = [field for _, *field in Formatter().parse(text) if field[0] is not None]
        except ValueError as error:
            raise UserError(f"Change source.template {where}: '{text}' ({error}).") from error
        if any(not name or spec or conversion for name, spec, conversion in fields):
            raise UserError(
                f"Change source.template {where}: '{text}': name a column in braces, and nothing "
                "else; two braces stand for one."
            )
        columns += [str(name) for name, _, _ in fields]
    return columns
