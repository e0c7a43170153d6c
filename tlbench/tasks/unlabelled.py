"""Tasks that train on rows without labels: ``source.unlabelled`` says which those are.

Whoever trains such a task makes labels of its own, or needs none. Its dev rows are those of its
source, with their labels.
"""

from dataclasses import replace

from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of

REST = "rest"  # the train rows that the target did not draw


def is_unlabelled(task: Task) -> bool:
    """Whether a task trains on the rows of its ``source.unlabelled``.

    Of a task with labels and a head of its own these are more rows, which it does not train on: it
    only says where they are for others that are made of it.
    """
    has_no_labels = task.head is not None or not kind_of(task).reads_labels
    return has_no_labels and task.source.unlabelled is not None


def needs_labels(task: Task) -> bool:
    """Whether a task trains on rows without labels, and is of a kind whose losses need some."""
    return is_unlabelled(task) and kind_of(task).reads_labels and kind_of(task).trains_on_labels


def is_rest(task: Task) -> bool:
    """Whether a task trains on what the target leaves of its train rows."""
    return is_unlabelled(task) and bool(task.source.unlabelled == REST)


def reads_unlabelled(task: Task, split: str) -> bool:
    """Whether a split of a task is read from where ``source.unlabelled`` says, without labels."""
    return split in ("train", "held_out") and is_unlabelled(task) and not is_rest(task)


def labelled(task: Task) -> Task:
    """Return a task as its dev rows are read, and those that they are cut off."""
    return replace(task, source=replace(task.source, unlabelled=None))


def check_unlabelled(task: Task) -> None:
    """Refuse what can't be rows without labels, and labels that could be taken for none.

    Raises:
        UserError: naming ``source.unlabelled``, or ``source.label``.
    """
    source, where = task.source, f"source.unlabelled of task '{task.name}'"
    unlabelled = source.unlabelled
    names_labels = source.label is not None or source.label_columns is not None
    if unlabelled is None or (source.format == "generated" and unlabelled == REST):
        return
    if kind_of(task).reads_labels and not names_labels and source.format != "generated":
        raise UserError(f"Set source.label of task '{task.name}' to the column of the label.")
    if unlabelled == REST:
        return
    if not isinstance(unlabelled, str | dict):
        raise UserError(
            f"Change {where}: {unlabelled} is neither rest, nor a file or a split of the hub."
        )
    if source.format == "generated":
        raise UserError(f"Change {where} to rest: rows that are generated have labels.")
