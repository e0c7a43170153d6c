"""From a config to an experiment: its tasks with their definitions, digests and sizes."""

import json
from dataclasses import asdict, replace
from functools import cache
from importlib.util import find_spec
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError

from tlbench.config.identity import unresolved
from tlbench.config.overrides import read_option
from tlbench.config.remembered import Remembered
from tlbench.config.schema import Config, Encoder, Strategy, SubsampleSize, Task
from tlbench.config.search_path import task_file
from tlbench.config.suggestions import lacking_task
from tlbench.config.validation import check_config, checked, parse_config
from tlbench.config.words import check_file
from tlbench.data.groups import check_groups
from tlbench.data.sources import Split, final_split, splits
from tlbench.data.subsampling import count_rows, draw
from tlbench.errors import UserError
from tlbench.plan import encoder_files, leakage, rest
from tlbench.plan.experiment import Experiment
from tlbench.plan.rows_stage import is_written, written
from tlbench.plan.stage import TaskSubset
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.label_columns import has_label_columns, label_column
from tlbench.tasks.shared_heads import check_shared_heads
from tlbench.tasks.unlabelled import is_rest, needs_labels


def build(cfg: DictConfig, in_sweep: bool = False) -> Experiment:
    """Check a composed config and count the rows of its tasks; see ``from_config``."""
    return from_config(parse_config(cfg), in_sweep)


def from_config(
    config: Config, in_sweep: bool = False, remembered: Remembered | None = None
) -> Experiment:
    """Return the experiment of a config whose types are right.

    Args:
        in_sweep: a sweep gives strategies without a support task one as it gives the others;
            there it is dropped, in a single run it is an error.
        remembered: of the experiments of one sweep, whose tasks are looked at once.

    Raises:
        UserError: for whatever a user can get wrong in a config or in the data.
    """
    once = remembered or Remembered()
    check_config(config)
    once(_check_adapter, config.encoder, config.trainable)
    once(check_task, config.target_task)
    in_vain = None if in_sweep else _support_in_vain(config)
    if in_vain and config.strategy.supports != "many":
        raise UserError(in_vain)
    if reason := impossible(config):
        raise UserError(reason.sentence)
    size = config.subsample_size
    for name in size.per_task:
        _definition(name, "subsample_size.per_task")
    encoder, unresolved = once(_identified, config.encoder)
    config = replace(config, encoder=encoder)
    place = size, config.cache_dir
    target = once(_subset, *place, config.target_task, size.target, "subsample_size.target")
    target = once(_with_test, target, config.cache_dir)
    tasks = once(
        _support_tasks, config.strategy, config.support_task, config.suite, config.target_task
    )
    once(check_shared_heads, (config.target_task, *tasks))
    alone = Experiment(config, target, ())
    supports = tuple(
        _written(alone, task)
        if is_written(task)
        else once(_subset, *place, task, size.support, "subsample_size.support", target)
        for task in tasks
    )
    leaks = once(leakage.leaks, target, supports, config.cache_dir)
    if leaks and not config.allow_leakage:
        own = [subset.name for subset in (target, *supports) if _is_of_suite(subset.task, config)]
        leakage.check(leaks, target.name, own)
    experiment = Experiment(config, target, supports, unresolved, leaks)
    if in_vain:
        experiment.plan()  # a strategy that takes not so many says so first
        raise UserError(in_vain)
    return experiment


def _check_adapter(encoder: Encoder, trainable: str) -> None:
    """Refuse an adapter that nothing could train.

    Raises:
        UserError: naming the key to change, or what to install.
    """
    name = encoder.adapter.name
    if name == "none":
        return
    if trainable != "all":
        raise UserError(
            f"Change trainable to all, or encoder/adapter to none: {name} says itself which "
            f"weights of the encoder are trained, and trainable={trainable} others."
        )
    if find_spec("peft") is None:
        raise UserError(
            f"Change encoder/adapter, or install what {name} needs: "
            "pip install 'tlbench[adapters]'."
        )


def _support_in_vain(config: Config) -> str | None:
    """Return what to change of a support task that the strategy does not use; None if it does."""
    name, strategy = config.support_task.get("name"), config.strategy
    if not name or strategy.supports == "one":
        return None
    of_tasks = strategy.supports in ("many", "all")
    uses = "takes its supports from strategy.tasks" if of_tasks else "uses no support task"
    return f"Change support_task to none: strategy={strategy.name} {uses}."


def _is_of_suite(task: Task, config: Config) -> bool:
    """Whether a task's rows are those that the chosen suite has under its name."""
    source = config.suite.get("sources", {}).get(task.name)
    return source is not None and all(
        getattr(task.source, key, None) == value for key, value in source.items()
    )


def _identified(encoder: Encoder) -> tuple[Encoder, str | None]:
    """Return the encoder with its identity, or why there is none."""
    try:
        return replace(encoder, identity=encoder_files.identify(encoder)), None
    except UserError as error:
        return encoder, str(error)


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
    return _impossible_rows(config)


def _impossible_rows(config: Config) -> Impossible | None:
    """Return why a strategy can't do with a support, for it has labels, or none."""
    strategy, support = config.strategy, config.support_task
    try:
        has_none = needs_labels(_task(json.dumps(support), "support_task"))
    except UserError:  # which is said of the one experiment
        return None
    if strategy.unlabelled and not has_none:
        return Impossible(
            "a support with labels for a strategy that makes them",
            f"Change support_task to unlabelled: strategy={strategy.name} makes labels, and "
            f"'{support['name']}' is not without them.",
        )
    if has_none and not strategy.unlabelled:
        return Impossible(
            "a support without labels for a strategy that needs them",
            f"Change strategy to self_training, or support_task: rows of '{support['name']}' have "
            f"no labels, which strategy={strategy.name} trains on.",
        )
    return None


def _support_tasks(
    strategy: Strategy, support_task: Any, suite: dict[str, Any], target: Task
) -> list[Task]:
    if strategy.supports == "one":
        return [_task(json.dumps(support_task), "support_task")]
    if strategy.supports == "many":
        return [_defined(name, suite, target) for name in strategy.tasks]
    if strategy.supports == "all":
        others = sorted({*strategy.tasks} - {target.name})
        return [_defined(name, suite, target) for name in others]
    return []


def _defined(name: str, suite: dict[str, Any], target: Task) -> Task:
    """Return the definition of a task that is neither target nor support, from its file."""
    definition = _definition(name, "strategy.tasks")
    context = {"suite": suite, "target_task": asdict(target)}
    return _task(_resolved(definition, json.dumps(context)), f"target_task ({name})")


def _definition(name: str, key: str) -> str:
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
def _task(definition: str, where: str) -> Task:
    task: Task = checked(Task, OmegaConf.create(json.loads(definition)), where)
    check_task(task)
    return task


def _written(alone: Experiment, task: Task) -> TaskSubset:
    """Return the rows of a support that a stage writes for the target.

    Args:
        alone: the experiment without supports.
    """
    stage = written(alone, task)
    sizes, by_name = alone.config.subsample_size, stage.splits()
    rows = dict(stage.counts)
    own_key = f"subsample_size.per_task.{task.name}"
    available = count_rows(sizes.per_task.get(task.name), rows["train"], task.name, own_key)
    key, of_target = "subsample_size.support", alone.target.count
    return TaskSubset(
        task=stage.task,
        digests={name: split.key for name, split in by_name.items()},
        rows=rows,
        count=count_rows(sizes.support, available, task.name, key, of_target),
        dev_count={"dev": min(rows["dev"], sizes.dev or rows["dev"])},
        seed=sizes.seed,
        written_by=stage,
    )


def _subset(
    sizes: SubsampleSize,
    cache_dir: str,
    task: Task,
    size: Any,
    key: str,
    target: TaskSubset | None = None,
) -> TaskSubset:
    """Return the rows of a task that an experiment uses.

    Args:
        sizes: of the config.
        size: the value of it that stands at ``key``.
        target: for a support.

    Raises:
        UserError: for a size or rows that there are not.
    """
    by_name = splits(task)
    rows = {name: _row_count(split, cache_dir) for name, split in by_name.items()}
    for split in by_name.values() if has_label_columns(task) else ():
        _check_labelled(split, cache_dir)
    digests = {name: split.key for name, split in by_name.items()}
    whose, skip = task.name, 0  # rows are drawn, and how many of them before
    if is_rest(task):
        before = rest.target_of_rest(task, digests["train"], target, cache_dir)
        whose, skip = before.name, before.count
    own_key = f"subsample_size.per_task.{whose}"
    available = count_rows(sizes.per_task.get(whose), rows["train"], whose, own_key)
    if target and available == skip:
        raise rest.none_left(target)
    most = sizes.dev
    dev_count = {n: min(rows[n], most or rows[n]) for n in rows if n != "train"}
    if task.groups is not None:
        of_splits = {name: split.load(cache_dir) for name, split in by_name.items()}
        used = {n: draw(count, rows[n], sizes.seed) for n, count in dev_count.items()}
        check_groups(task, of_splits, used)
    return TaskSubset(
        task=task,
        digests=digests,
        rows=rows,
        count=count_rows(size, available - skip, task.name, key, target.count if target else None),
        dev_count=dev_count,
        seed=sizes.seed,
        skip=skip,
    )


def _with_test(target: TaskSubset, cache_dir: str) -> TaskSubset:
    """Return the target's rows with those of ``source.test``, if it has any.

    Raises:
        UserError: naming ``source.test``, if they can't be read or have no labels.
    """
    task = target.task
    try:
        split = final_split(task)
        if split is None:
            return target
        count = _count_labelled(split, cache_dir)
        _check_test_groups(split, cache_dir)
        return replace(target, test_digest=split.key, test_rows=count)
    except UserError as error:
        if "source.test" in str(error):
            raise
        raise UserError(
            f"Change source.test of task '{task.name}' to rows with labels, or to null: {error}"
        ) from error


def _check_test_groups(test: Split, cache_dir: str) -> None:
    task = test.task
    if task.groups is None:
        return
    dev = splits(task)["dev"].load(cache_dir)
    rows = test.load(cache_dir)
    check_groups(task, {"dev": dev, "test": rows}, {"test": np.arange(len(rows))})


def _count_labelled(split: Split, cache_dir: str) -> int:
    # A class can't be -1; of a regression it would pass for a number.
    is_number = kind_of(split.task).label_length is None
    if split.key not in _counted and is_number and _labels(split, cache_dir) == [-1.0]:
        raise UserError("all have the label -1, which stands for one that is withheld.")
    return _row_count(split, cache_dir)


def _check_labelled(split: Split, cache_dir: str) -> None:
    """Refuse a column of labels, of several, that is empty in all rows of a split."""
    labels = split.load(cache_dir)["label"]
    if all(isnan(label[0] if isinstance(label, list) else label) for label in labels):
        raise UserError(
            f"Change source.label of task '{split.task.name}': column '{label_column(split.task)}' "
            f"is empty in all {len(labels):,} rows of {split.name}."
        )


def _labels(split: Split, cache_dir: str) -> list[Any]:
    return list(split.load(cache_dir).unique("label"))


_counted: dict[str, int] = {}


def _row_count(split: Split, cache_dir: str) -> int:
    if split.key not in _counted:
        _counted[split.key] = len(split.load(cache_dir))
    return _counted[split.key]
