"""What can be wrong with a task's definition."""

import re

from tlbench.config.schema import Task
from tlbench.config.validation import NAME, NAME_RULE, one_of, value_at
from tlbench.errors import UserError
from tlbench.tasks.metric_names import CLASSIFICATION, REGRESSION


def check_task(task: Task) -> None:
    """Refuse a name that no folder can have, and metrics that do not go with the labels."""
    where = f"of task '{task.name}'"
    if not re.fullmatch(NAME, task.name):  # it names folders and modules
        raise UserError(f"Change name {where}: {NAME_RULE}.")
    for name in task.source.more_dev:  # it names metrics
        if not re.fullmatch(NAME, str(name)):
            raise UserError(f"Change source.more_dev {where}: '{name}': {NAME_RULE}.")
    _check_words(task, where)
    known = CLASSIFICATION if task.labels else REGRESSION
    for metric in [*task.metrics, *task.score]:
        one_of(f"metrics or score {where}", metric, known)
    if not task.score or not set(task.score) <= set(task.metrics):
        raise UserError(f"Change score {where}: name one or more of its metrics.")
    if task.labels is None:
        return
    if len(set(task.labels)) < max(2, len(task.labels)):
        raise UserError(f"Change labels {where}: give two or more different names, or null.")
    values = task.source.values
    if values is not None and not len(set(values)) == len(values) == len(task.labels):
        raise UserError(
            f"Change source.values {where}: give a different one for each of its labels."
        )
    if "f1" in task.metrics and len(task.labels) != 2:
        raise UserError(f"Change metrics {where}: f1 needs two labels; use macro_f1.")


def _check_words(task: Task, where: str) -> None:
    # OmegaConf takes a list for an element of a list of words.
    for key in ("labels", "score", "metrics", "source.text", "source.values"):
        wrong = [word for word in value_at(task, key) or () if not isinstance(word, str)]
        if wrong:
            raise UserError(f"Change {key} {where}: {wrong[0]} is not a word.")
