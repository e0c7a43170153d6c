"""Which kind a task is of."""

from tlbench.config.dotted import imported_class, made_by
from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.base import TaskKind
from tlbench.tasks.classification import Classification
from tlbench.tasks.regression import Regression

KINDS: dict[str, type[TaskKind]] = {"classification": Classification, "regression": Regression}
# The metrics that are 0 of a constant prediction.
CORRELATIONS = tuple(
    name
    for kind in KINDS.values()
    for name, metric in kind.metrics.items()
    if metric.is_correlation
)


def kind_of(task: Task) -> TaskKind:
    """Return the kind of a task: as it says, else by whether it has labels.

    Raises:
        UserError: if it names a kind that there is not, or one that can't be made.
    """
    name = task.kind or ("regression" if task.labels is None else "classification")
    if name in KINDS:
        return KINDS[name](task)
    key = f"kind of task '{task.name}'"
    if "." not in name:
        raise UserError(
            f"Change {key}: '{name}' is none of {', '.join(KINDS)}, and no dotted path."
        )
    made: TaskKind = made_by(imported_class(name, TaskKind, key), name, key, task)
    return made
