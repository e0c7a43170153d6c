"""Labels that are read as others: ``relabel: {entailment: entailment, neutral: not_entailment}``.

So the rows of one task become rows of another, whose ``head`` may read them: the hard form of
related labels, beside the soft one of ``tlbench.methods.matching``.
"""

from tlbench.config.schema import Task
from tlbench.errors import UserError


def source_labels(task: Task) -> list[str]:
    """Return the labels that the rows of a task's source have, in their order."""
    return list(task.labels or []) if task.relabel is None else list(task.relabel)


def new_labels(task: Task) -> list[float]:
    """Return by label of ``source_labels`` the place among ``labels`` that it is read as."""
    labels = list(task.labels or [])
    read_as = source_labels(task) if task.relabel is None else task.relabel.values()
    return [float(labels.index(label)) for label in read_as]


def check_relabel(task: Task) -> None:
    """Refuse to read a label as one that the task has not.

    Raises:
        UserError: naming it.
    """
    if task.relabel is None:
        return
    labels = task.labels or []
    for label, new in task.relabel.items():
        if new not in labels:
            raise UserError(
                f"Change relabel of task '{task.name}': '{label}' is read as '{new}', and its "
                f"labels are {', '.join(labels)}."
            )
    if unread := [label for label in labels if label not in task.relabel.values()]:
        raise UserError(
            f"Change relabel, or labels, of task '{task.name}': nothing is read as '{unread[0]}'."
        )
