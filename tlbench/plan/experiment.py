"""From a config to an experiment, from an experiment to its stages and its result record."""

import inspect
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf

from tlbench.config.identity import unresolved
from tlbench.config.overrides import read_option
from tlbench.config.schema import Config, Task, checked, parse_config
from tlbench.config.search_path import task_file
from tlbench.config.validation import check_config
from tlbench.data.sources import Split, splits
from tlbench.data.subsampling import count_rows
from tlbench.errors import UserError
from tlbench.plan import encoder_files, weights
from tlbench.plan.stage import Need, Stage, TaskSubset, check_stage
from tlbench.tasks.definition import check_task


@dataclass(frozen=True)
class Experiment:
    """A checked config with the row counts of its tasks.

    Attributes:
        unresolved: why nobody knows what the encoder's files are, so that it can be planned and
            not trained; None where they are known.
    """

    config: Config
    target: TaskSubset
    supports: tuple[TaskSubset, ...]
    unresolved: str | None = None

    def stage(self, draws: Sequence[TaskSubset], start: Stage | Need | None = None) -> Stage:
        """Make the stage that trains ``draws`` together under this experiment's config.

        Args:
            start: the stage to start from. A ``Need`` says which task's best weights are taken;
                else they are those of the task that is trained again, or of its only task.

        Raises:
            UserError: for no task, one task twice, or a start that leaves the choice open.
        """
        if not all(isinstance(draw, TaskSubset) for draw in draws):
            raise UserError("Change strategy.plan: a stage takes experiment.target and the like.")
        by_name = tuple(sorted(draws, key=lambda draw: draw.name))
        names = [draw.name for draw in by_name]
        if not names or len(set(names)) < len(names):
            raise UserError(
                f"Change strategy.plan: a stage trains one or more different tasks, not {names}."
            )
        sampling, mixed = self.config.sampling, len(by_name) > 1
        target = self.target.name if mixed and sampling.epoch == "target" else None
        if target is not None and target not in names:
            raise UserError(
                f"Change sampling.epoch: the stage of {', '.join(names)} does not train the target "
                f"task '{target}', by which its epochs would be measured."
            )
        dynamic = mixed and sampling.name == "dynamic"
        scores = tuple(self.stage([draw]) for draw in by_name) if dynamic else ()
        return Stage(self.config, by_name, _need(start, names), target, scores)

    def plan(self) -> list[Stage]:
        """Return the stages to train, in order; the last one gives the target's score.

        Raises:
            UserError: if the strategy can't be called, or what it gives can't be trained.
        """
        name = self.config.strategy.plan
        final = self._final_stage(name)
        if not isinstance(final, Stage):
            raise UserError(f"Change strategy.plan: '{name}' gives no stage.")
        if self.target.name not in final.tasks:
            raise UserError(
                f"Change strategy.plan: the last stage of '{name}' trains "
                f"{', '.join(final.tasks)}, not the target task '{self.target.name}'."
            )
        stages = final.graph()
        for stage in stages:
            check_stage(stage)
        if self.config.only_stage is None:
            weights.check_names(final)
        return stages

    def last_of(self, plan: Sequence[Stage]) -> Stage:
        """Return the stage to end with: the plan's last, or the one that ``only_stage`` names.

        Raises:
            UserError: if the plan has none of that key, or ``keep_weights`` does not go with it.
        """
        only = self.config.only_stage
        if only is None:
            return plan[-1]
        by_key = {stage.key: stage for stage in plan}
        if only not in by_key:
            raise UserError(
                f"Change only_stage: '{only}' is not in the plan, which has {', '.join(by_key)}."
            )
        weights.check_names(by_key[only])
        return by_key[only]

    def _final_stage(self, name: str) -> Any:
        try:
            strategy = get_method(name)
        except (ImportError, ValueError) as error:  # ValueError: not even the name of a module
            raise UserError(f"Change strategy.plan: '{name}' can't be imported.") from error
        try:
            inspect.signature(strategy).bind(self)
        except (TypeError, ValueError) as error:  # ValueError: of some functions in C
            raise UserError(f"Change strategy.plan: '{name}' takes no experiment.") from error
        return strategy(self)

    @property
    def title(self) -> str:
        """What a person reads: ``stilts rte<-mnli s0``."""
        c = self.config
        arrow = f"<-{self.supports[0].name}" if c.strategy.supports == "one" else ""
        return f"{c.strategy.name} {self.target.name}{arrow} s{c.seed}"


def _need(start: Stage | Need | None, tasks: Sequence[str]) -> Need | None:
    """The start of a stage that trains ``tasks``, with the task whose weights are taken."""
    if start is None:
        return None
    need = start if isinstance(start, Need) else Need(start)
    if not isinstance(need.stage, Stage):
        raise UserError("Change strategy.plan: a start is a stage, or Need(stage, task).")
    trained = need.stage.tasks
    again = [task for task in tasks if task in trained]
    usual = again[0] if len(again) == 1 else trained[0] if len(trained) == 1 else None
    task = need.weights_of or usual
    if task not in trained:
        wanted = "'" + task + "' is none of them" if task else "say which task's weights are taken"
        raise UserError(
            f"Change strategy.plan: {'+'.join(tasks)} starts from {need.stage.title}, which trains "
            f"{', '.join(trained)}: {wanted}, as Need(stage, task)."
        )
    return Need(need.stage, task)


def build(cfg: DictConfig, in_sweep: bool = False) -> Experiment:
    """Check a composed config and count the rows of its tasks; see ``from_config``."""
    return from_config(parse_config(cfg), in_sweep)


def from_config(config: Config, in_sweep: bool = False) -> Experiment:
    """The experiment of a config whose types are right.

    Args:
        in_sweep: a sweep gives ``single`` and ``mtl_all`` a support task as it gives the others
            one; there it is dropped, in a single run it is an error.

    Raises:
        UserError: for whatever a user can get wrong in a config or in the data.
    """
    check_config(config)
    check_task(config.target_task)
    if config.support_task.get("name") and config.strategy.supports != "one" and not in_sweep:
        raise UserError(
            f"Change support_task to none: strategy={config.strategy.name} uses no support task."
        )
    if reason := impossible(config):
        raise UserError(reason)
    size = config.subsample_size
    for name in size.per_task:
        _definition(name, "subsample_size.per_task")
    config, unresolved = _identified(config)
    target = _draw(config, config.target_task, size.target, "subsample_size.target")
    supports = tuple(
        _draw(config, task, size.support, "subsample_size.support", target.count)
        for task in _support_tasks(config)
    )
    return Experiment(config, target, supports, unresolved)


def _identified(config: Config) -> tuple[Config, str | None]:
    """The config with the encoder's identity, or why there is none."""
    try:
        identity = encoder_files.identify(config.encoder)
    except UserError as error:
        return config, str(error)
    return replace(config, encoder=replace(config.encoder, identity=identity)), None


def impossible(config: Config) -> str | None:
    """Why strategy, target and support can't go together; None if they can."""
    name, strategy = config.support_task.get("name"), config.strategy
    if strategy.supports != "one":
        return None
    if not name:
        return f"Add support_task=<task>: strategy={strategy.name} needs one (or strategy=single)."
    if name == config.target_task.name:
        return f"Change support_task: '{name}' is the target task already."
    return None


def _support_tasks(config: Config) -> list[Task]:
    strategy = config.strategy
    if strategy.supports == "one":
        return [_task(json.dumps(config.support_task), "support_task")]
    if strategy.supports == "all":
        names = sorted({*strategy.tasks} - {config.target_task.name})
        return [_defined(name, config.suite) for name in names]
    return []


def _defined(name: str, suite: dict[str, Any]) -> Task:
    """The definition of a task that is neither target nor support, from its file."""
    definition = _definition(name, "strategy.tasks")
    return _task(_resolved(definition, json.dumps(suite)), f"target_task ({name})")


def _definition(name: str, key: str) -> str:
    """What the file of a task says, as JSON; it must say the task's name."""
    file = task_file(name, key)
    said, definition = _read(file)
    if said != name:
        raise UserError(f"Change {key}, or name in {file}, which is not the file's own, '{name}'.")
    return definition


# The next three are remembered because a large sweep asks thousands of times for the same tasks.
@cache
def _read(file: Path) -> tuple[object, str]:
    """The name that a task's file says, and all of it as JSON."""
    found = unresolved(read_option(file))
    return found.get("name"), json.dumps(found)


@cache
def _resolved(definition: str, suite: str) -> str:
    root = OmegaConf.create({"suite": json.loads(suite), "task": OmegaConf.create(definition)})
    return json.dumps(OmegaConf.to_container(root.task, resolve=True))


@cache
def _task(definition: str, where: str) -> Task:
    task: Task = checked(Task, OmegaConf.create(json.loads(definition)), where)
    check_task(task)
    return task


def _draw(config: Config, task: Task, size: Any, key: str, target: int | None = None) -> TaskSubset:
    found = splits(task)
    rows = {name: _row_count(split, config.cache_dir) for name, split in found.items()}
    size_of = config.subsample_size.per_task.get(task.name)
    there = count_rows(size_of, rows["train"], task.name, f"subsample_size.per_task.{task.name}")
    most = config.subsample_size.dev
    return TaskSubset(
        task=task,
        digests={name: split.key for name, split in found.items()},
        rows=rows,
        count=count_rows(size, there, task.name, key, target),
        dev_count={n: min(rows[n], most or rows[n]) for n in rows if n != "train"},
        draw_seed=config.subsample_size.seed,
    )


_counted: dict[str, int] = {}


def _row_count(split: Split, cache_dir: str) -> int:
    if split.key not in _counted:
        _counted[split.key] = len(split.load(cache_dir))
    return _counted[split.key]
