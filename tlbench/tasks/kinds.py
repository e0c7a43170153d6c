"""Which kind a task is of."""

from tlbench.config.dotted import imported_class, made_by
from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.tasks.base import TaskKind
from tlbench.tasks.classification import Classification
from tlbench.tasks.consistency import Consistency
from tlbench.tasks.masked_lm import MaskedLM
from tlbench.tasks.multilabel import Multilabel
from tlbench.tasks.multiple_choice import MultipleChoice
from tlbench.tasks.regression import Regression
from tlbench.tasks.tagging import Tagging
from tlbench.tasks.worst_group import bases

KINDS: dict[str, type[TaskKind]] = {
    "classification": Classification,
    "regression": Regression,
    "multilabel": Multilabel,
    "tagging": Tagging,
    "multiple_choice": MultipleChoice,
    "consistency": Consistency,
    "mlm": MaskedLM,
}
# Probabilities as near as this are one: logits are in 32 bits, whose last digits batches change.
ONE_PROBABILITY = 1e-6
# The metrics that are 0 of a constant prediction.
CORRELATIONS = tuple(
    name
    for kind in KINDS.values()
    for name, metric in kind.metrics.items()
    if metric.is_correlation
)
_OF_PROBABILITIES = {
    name
    for kind in KINDS.values()
    for name, metric in kind.metrics.items()
    if metric.of_probabilities
}


def ranks(names: str) -> bool:
    """Return whether all metrics named ``a+b`` are of the order of rows, and not of predictions.

    Then a run that predicts one class may have learned: its rows are in an order all the same.
    """
    return set(bases(names)) <= _OF_PROBABILITIES


def needs_probabilities(names: str) -> bool:
    """Return whether one of the metrics named ``a+b`` is of probabilities."""
    return not _OF_PROBABILITIES.isdisjoint(bases(names))


def kind_of(task: Task) -> TaskKind:
    """Return the kind of a task: as it says, else by whether it has labels.

    Raises:
        UserError: if it names a kind that there is not, or one that can't be made.
    """
    of_kind = class_of(task)
    if (name := _kind_name(task)) in KINDS:
        return of_kind(task)
    made: TaskKind = made_by(of_kind, name, _kind_key(task), task)
    return made


def class_of(task: Task) -> type[TaskKind]:
    """Return the class of a task's kind, for what all tasks of the kind have in common.

    Raises:
        UserError: if it names a kind that there is not.
    """
    name, key = _kind_name(task), _kind_key(task)
    if name in KINDS:
        return KINDS[name]
    if "." not in name:
        raise UserError(
            f"Change {key}: '{name}' is none of {', '.join(KINDS)}, and no dotted path."
        )
    found: type[TaskKind] = imported_class(name, TaskKind, key)
    return found


def _kind_name(task: Task) -> str:
    return task.kind or ("regression" if task.labels is None else "classification")


def _kind_key(task: Task) -> str:
    return f"kind of task '{task.name}'"


def head_name(task: Task, heads: str) -> str:
    """The head a task uses: its own, or the one for its number of labels, at the same layer.

    One of choices serves any number of them. Where ``head`` says so, its own is another task's.
    """
    kind = kind_of(task)
    size = kind.outputs // kind.sequences
    layer = f"_layer_{task.head_layer}" if task.head_layer else ""
    return task.head or task.name if heads == "per_task" else f"{kind.shared_head}_{size}{layer}"
