"""Strategies, targets and supports that can't go together."""

import json
from typing import NamedTuple

from tlbench.config.schema import Config, Strategy, Task
from tlbench.errors import UserError
from tlbench.methods.matching import no_relation, relations_of
from tlbench.plan.definitions import task_of
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.unlabelled import needs_labels


class Impossible(NamedTuple):
    """Why strategy, target and supports can't go together.

    Attributes:
        kind: in a few words, the same whichever tasks they are.
        sentence: which says what to change.
    """

    kind: str
    sentence: str


def impossible(config: Config) -> Impossible | None:
    """Return why strategy, target and supports can't go together; None if they can."""
    strategy, target = config.strategy, config.target_task.name
    if strategy.supports == "one":
        return _impossible_support(config)
    if strategy.supports != "many":
        return None
    key, names = "strategy.tasks", strategy.tasks
    if not any(names):
        needs = f"Add {key}=[<task>, ...]: strategy={strategy.name} needs one (or strategy=single)."
        return Impossible(f"no {key} for a strategy that takes them", needs)
    if target in names:
        return Impossible(
            f"the target is in {key}", f"Change {key}: '{target}' is the target task already."
        )
    if twice := [name for name in names if names.count(name) > 1]:
        return Impossible(f"a task twice in {key}", f"Change {key}: '{twice[0]}' is there twice.")
    return None


def _impossible_support(config: Config) -> Impossible | None:
    support, target = config.support_task.get("name"), config.target_task.name
    if not support:
        return Impossible(
            "no support task for a strategy with one",
            f"Add support_task=<task>: strategy={config.strategy.name} needs one "
            "(or strategy=single).",
        )
    if support == target:
        return Impossible(
            "support task = target task",
            f"Change support_task: '{target}' is the target task already.",
        )
    try:
        task = task_of(json.dumps(config.support_task), "support_task")
        return _impossible_rows(config.strategy, task) or _impossible_mix(config, task)
    except UserError:  # which is said of the one experiment
        return None


def _impossible_rows(strategy: Strategy, support: Task) -> Impossible | None:
    """Return why a strategy can't do with a support, for it has labels, or none."""
    has_none = needs_labels(support)
    if strategy.unlabelled and not has_none:
        return Impossible(
            "a support with labels for a strategy that makes them",
            f"Change support_task to unlabelled: strategy={strategy.name} makes labels, and "
            f"'{support.name}' is not without them.",
        )
    if has_none and not strategy.unlabelled:
        return Impossible(
            "a support without labels for a strategy that needs them",
            f"Change strategy to self_training, or support_task: rows of '{support.name}' have "
            f"no labels, which strategy={strategy.name} trains on.",
        )
    return None


def _impossible_mix(config: Config, support: Task) -> Impossible | None:
    """Return why a support can't be trained as a strategy does: alone, or coupled to the target."""
    target, mixes = config.target_task, "sampling" not in config.strategy.without_effect
    if not mixes and not kind_of(support).trains_on_labels and support.head is not None:
        return Impossible(
            "a support that learns of no label, in a stage of its own",
            f"Change strategy to one that trains {support.head} and {support.name} together, as "
            f"mtl does: alone {support.name} learns of no label.",
        )
    if mixes and config.match.name != "none" and not relations_of(config.match, [target, support]):
        return Impossible("a match of tasks without a relation", no_relation([target, support]))
    return None
