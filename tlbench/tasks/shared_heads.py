"""Tasks whose rows are rows of another one, whose ``head`` reads them."""

from collections.abc import Sequence

from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of


def check_shared_heads(tasks: Sequence[Task]) -> None:
    """Refuse a ``head`` that is no other task's of an experiment, or can't read the rows.

    Args:
        tasks: of the experiment.

    Raises:
        UserError: naming ``head``.
    """
    by_name = {task.name: task for task in tasks}
    for task in tasks:
        if task.head is None:
            continue
        change = f"Change head of task '{task.name}'"
        other = by_name.get(task.head)
        if other is None or other is task:
            others = ", ".join(name for name in by_name if name != task.name)
            raise UserError(
                f"{change} to one of {others}, or to null: this experiment has no other task "
                f"'{task.head}'."
                if others
                else f"{change} to null: this experiment has no other task."
            )
        if other.head is not None:
            raise UserError(f"{change} to '{other.head}', whose head '{other.name}' has too.")
        if different := _difference(task, other):
            raise UserError(
                f"{change} to null, or its {different} to that of '{other.name}': one head reads "
                "both."
            )


def _difference(task: Task, other: Task) -> str | None:
    """Return the key in which tasks differ that one head could not serve; None if in none."""
    of_task, of_other = kind_of(task), kind_of(other)
    if task.labels != other.labels:
        return "labels"
    if task.head_layer != other.head_layer:
        return "head_layer"
    sizes = [kind.outputs // kind.sequences for kind in (of_task, of_other)]
    same = sizes[0] == sizes[1] and of_task.reads_words == of_other.reads_words
    return None if same else "kind"
