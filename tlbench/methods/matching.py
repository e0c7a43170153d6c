"""Related labels: what a label of one task says of another's.

Kollias, Sharmanska and Zafeiriou (2024, arXiv 2401.01219) couple tasks whose labels are related and
whose rows are not: distribution matching brings what two heads say of a row in line, and soft
co-annotation gives a row of one task soft labels of the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlbench.config.schema import Match, Task
from tlbench.errors import UserError
from tlbench.tasks.classification import Classification
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.multilabel import Multilabel
from tlbench.tasks.regression import Regression

_ROUNDING = 1e-6  # of probabilities that are written out in YAML


@dataclass(frozen=True)
class Relation:
    """What the labels of one task say of another's, of tasks that a stage mixes.

    Attributes:
        task: the place among the stage's tasks of the one whose rows have the term.
        other: that of the one whose head reads them too.
        given: by label of ``task`` the probability of each label of the other, or the expected
            number of a regression.
    """

    task: int
    other: int
    given: tuple[tuple[float, ...], ...] | tuple[float, ...]


def relations_of(match: Match, tasks: Sequence[Task]) -> tuple[Relation, ...]:
    """Return the relations between the tasks of a stage, none where ``match`` is.

    Raises:
        UserError: naming the relation to change.
    """
    if match.name == "none":
        return ()
    places = {task.name: place for place, task in enumerate(tasks)}
    found = []
    for name, of_others in match.relations.items():
        if not isinstance(of_others, Mapping):
            raise UserError(f"Change match.relations.{name}: give a relation for each other task.")
        for other, given in of_others.items():
            if name in places and other in places and given is not None:
                where = f"match.relations.{name}.{other}"
                checked = _checked(tasks[places[name]], tasks[places[other]], given, where)
                found.append(Relation(places[name], places[other], checked))
    return tuple(found)


def check_matching(match: Match, tasks: Sequence[Task]) -> None:
    """Refuse a relation that can't be used, and a ``match`` of which none is between the tasks.

    Raises:
        UserError: naming the key to change.
    """
    relations = relations_of(match, tasks)
    for one in relations:
        pair = tasks[one.task], tasks[one.other]
        if pair[0].head_layer != pair[1].head_layer:
            raise UserError(
                f"Change head_layer of task '{pair[0].name}' to that of '{pair[1].name}', or match "
                "to none: of related labels both heads read the same features."
            )
    if match.name != "none" and not relations:
        raise UserError(no_relation(tasks))


def no_relation(tasks: Sequence[Task]) -> str:
    """Return a sentence about tasks without a relation."""
    names = " and ".join(task.name for task in tasks)
    return f"Change match to none, or match.relations: there is none between {names}."


def _checked(task: Task, other: Task, given: Any, where: str) -> Any:
    """Return a relation as tuples of numbers.

    Raises:
        UserError: if the tasks or the numbers are not what a relation takes.
    """
    if not isinstance(kind_of(task), Classification) or kind_of(task).sequences > 1:
        raise UserError(f"Leave out {where}: '{task.name}' has no classes that say anything.")
    kind = kind_of(other)
    if isinstance(kind, Regression):
        numbers = _numbers(given, task, where)
        if any(isinstance(one, tuple) for one in numbers):
            raise UserError(f"Change {where}: give a number for each of {_names(task)}.")
        return numbers
    if not isinstance(kind, Classification | Multilabel) or kind.sequences > 1:
        raise UserError(f"Leave out {where}: '{other.name}' has no labels of a row.")
    rows = _numbers(given, task, where)
    is_classes = isinstance(kind, Classification)
    for label, row in zip(task.labels or [], rows, strict=True):
        if not isinstance(row, tuple) or len(row) != kind.outputs:
            raise UserError(
                f"Change {where}: give for '{label}' a probability of each of {_names(other)}."
            )
        wrong_sum = is_classes and abs(sum(row) - 1) > _ROUNDING
        if wrong_sum or not all(0 <= one <= 1 for one in row):
            belong = "that add up to 1" if is_classes else "from 0 to 1"
            raise UserError(f"Change {where}: give for '{label}' probabilities {belong}.")
    return rows


def _numbers(given: Any, task: Task, where: str) -> tuple[Any, ...]:
    """Return lists as tuples, one entry for each of a task's labels."""
    if not isinstance(given, list) or len(given) != len(task.labels or []):
        raise UserError(f"Change {where}: give an entry for each of {_names(task)}.")
    entries = [tuple(one) if isinstance(one, list) else one for one in given]
    for entry in entries:
        for number in entry if isinstance(entry, tuple) else (entry,):
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise UserError(f"Change {where}: '{number}' is no number.")
    return tuple(tuple(map(float, e)) if isinstance(e, tuple) else float(e) for e in entries)


def _names(task: Task) -> str:
    return f"the labels of '{task.name}' ({', '.join(task.labels or [])})"
