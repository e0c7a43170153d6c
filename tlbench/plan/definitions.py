"""What the files of tasks say of them, with what they take from the suite and the target."""

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError

from tlbench.config.identity import unresolved
from tlbench.config.overrides import read_option
from tlbench.config.schema import Strategy, Task
from tlbench.config.search_path import task_file
from tlbench.config.suggestions import lacking_task
from tlbench.config.validation import checked
from tlbench.config.words import check_file
from tlbench.errors import UserError
from tlbench.tasks.definition import check_task


def support_tasks(
    strategy: Strategy, support_task: Any, suite: dict[str, Any], target: Task
) -> list[Task]:
    """Return the supports of an experiment.

    Args:
        support_task: of its config, for a strategy with one.
        suite: of its config; target: which definitions may speak of.

    Raises:
        UserError: if there is none of a name, or its definition is wrong.
    """
    if strategy.supports == "one":
        return [task_of(json.dumps(support_task), "support_task")]
    if strategy.supports not in ("many", "all"):
        return []
    is_all = strategy.supports == "all"
    names = sorted({*strategy.tasks} - {target.name}) if is_all else strategy.tasks
    context = json.dumps({"suite": suite, "target_task": asdict(target)})
    return [_defined(name, context) for name in names]


def _defined(name: str, context: str) -> Task:
    """Return the definition of a task that is neither target nor support, from its file.

    Args:
        context: what it may speak of, as JSON.
    """
    definition = definition_of(name, "strategy.tasks")
    return task_of(_resolved(definition, context), f"target_task ({name})")


def definition_of(name: str, key: str) -> str:
    """Return what the file of a task says, as JSON; it must say the task's name."""
    file = task_file(name, key)
    own_name, definition = _read(file)
    if own_name != name:
        raise UserError(f"Change {key}, or name in {file}, which is not the file's own, '{name}'.")
    return definition


# The next three are remembered because a large sweep asks thousands of times for the same tasks.
@cache
def _read(file: Path) -> tuple[str, str]:
    """Return the name that a task's file says, and all of it as JSON."""
    check_file(file)
    definition = unresolved(read_option(file))
    return str(definition.get("name")), json.dumps(definition)


@cache
def _resolved(definition: str, context: str) -> str:
    """Return a task's definition with what it says of the suite and the target, as JSON."""
    plain = json.loads(context)
    root = OmegaConf.create({**plain, "task": OmegaConf.create(definition)})
    try:
        return json.dumps(OmegaConf.to_container(root.task, resolve=True))
    except InterpolationKeyError as error:
        if lacking := lacking_task(str(error), "strategy.tasks", plain["suite"]):
            raise UserError(lacking) from error
        raise


@cache
def task_of(definition: str, where: str) -> Task:
    """Return the task that a definition, as JSON, is of.

    Raises:
        UserError: naming the key below ``where`` to change.
    """
    task: Task = checked(Task, OmegaConf.create(json.loads(definition)), where)
    check_task(task)
    return task
