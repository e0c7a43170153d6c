"""What can be wrong with a task's definition."""

import re
from string import Formatter

from tlbench.config.keys import value_at
from tlbench.config.schema import Task
from tlbench.config.validation import NAME, NAME_RULE, one_of
from tlbench.errors import UserError
from tlbench.tasks.kinds import kind_of


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
    _check_template(task, where)
    kind = kind_of(task)
    for metric in [*task.metrics, *task.score]:
        one_of(f"metrics or score {where}", metric, kind.metrics)
    if not task.score or not set(task.score) <= set(task.metrics):
        raise UserError(f"Change score {where}: name one or more of its metrics.")
    kind.check()


def _check_words(task: Task, where: str) -> None:
    # OmegaConf takes a list for an element of a list of words.
    for name in ("labels", "score", "metrics", "source.text", "source.template", "source.values"):
        wrong = [word for word in value_at(task, name) or () if not isinstance(word, str)]
        if wrong:
            raise UserError(f"Change {name} {where}: {wrong[0]} is not a word.")


def _check_template(task: Task, where: str) -> None:
    template = task.source.template
    if template is None:
        return
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
