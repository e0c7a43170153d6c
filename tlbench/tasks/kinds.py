"""Which kind a task is of."""

from hydra.utils import get_class

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
        UserError: if it names a kind that there is not.
    """
    name = task.kind or ("regression" if task.labels is None else "classification")
    if name in KINDS:
        return KINDS[name](task)
    where = f"Change kind of task '{task.name}'"
    try:
        kind = get_class(name)
    except (ImportError, ValueError) as error:  # ValueError: not even the name of a module
        known = ", ".join(KINDS)
        raise UserError(
            f"{where}: '{name}' is none of {known}, and no class that can be imported."
        ) from error
    if not issubclass(kind, TaskKind):
        raise UserError(f"{where}: '{name}' is not a {TaskKind.__module__}.TaskKind.")
    made: TaskKind = kind(task)
    return made
