"""From a config to an experiment, from an experiment to its stages and its result record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.utils import get_method
from omegaconf import DictConfig, OmegaConf

from tlbench import checks
from tlbench.config import Config, Task, checked, parse_config, task_file
from tlbench.data.sizes import count_rows
from tlbench.data.sources import Split, splits
from tlbench.errors import UserError
from tlbench.stage import Stage, TaskDraw


@dataclass(frozen=True)
class Experiment:
    """A checked config with the row counts of its tasks."""

    config: Config
    target: TaskDraw
    supports: tuple[TaskDraw, ...]

    def stage(self, draws: Sequence[TaskDraw], start: Stage | None = None) -> Stage:
        """The stage that trains ``draws`` together under this experiment's config."""
        by_name = tuple(sorted(draws, key=lambda draw: draw.name))
        measured = self.config.sampling.epoch == "target" and len(by_name) > 1
        return Stage(self.config, by_name, start, self.target.name if measured else None)

    def plan(self) -> list[Stage]:
        """The stages to train, in order; the last one gives the target's score."""
        strategy = self.config.strategy
        try:
            final: Stage = get_method(strategy.plan)(self)
        except ImportError as error:
            raise UserError(f"Change strategy.plan: {strategy.plan} can't be imported.") from error
        checks.check_stage(final)
        return final.needed()

    @property
    def title(self) -> str:
        """What a person reads: ``stilts rte<-mnli s0``."""
        c = self.config
        arrow = f"<-{self.supports[0].name}" if c.strategy.supports == "one" else ""
        return f"{c.strategy.name} {self.target.name}{arrow} s{c.seed}"


def build(cfg: DictConfig, in_sweep: bool = False) -> Experiment:
    """Check a composed config and count the rows of its tasks.

    Args:
        in_sweep: a sweep gives ``single`` and ``mtl_all`` a support task as it gives the others
            one; there it is dropped, in a single run it is an error.

    Raises:
        UserError: for whatever a user can get wrong in a config or in the data.
    """
    config = parse_config(cfg)
    checks.check_config(config)
    support = _support_task(config, in_sweep)
    size = config.subsample_size
    target = _draw(config, config.target_task, size.target, "subsample_size.target")
    others = [support] if support else _all_tasks(cfg, config)
    supports = tuple(
        _draw(config, task, size.support, "subsample_size.support", target.count) for task in others
    )
    return Experiment(config, target, supports)


def _support_task(config: Config, in_sweep: bool) -> Task | None:
    name = config.support_task.get("name")
    strategy = config.strategy
    if strategy.supports != "one":
        if name and not in_sweep:
            raise UserError(
                f"Change support_task to none: strategy={strategy.name} uses no support task."
            )
        return None
    if not name:
        raise UserError(
            f"Add support_task=<task>: strategy={strategy.name} needs one (or strategy=single)."
        )
    if name == config.target_task.name:
        raise UserError(f"Change support_task: '{name}' is the target task already.")
    task: Task = checked(Task, OmegaConf.create(config.support_task), "support_task")
    checks.check_task(task)
    return task


def _all_tasks(cfg: DictConfig, config: Config) -> list[Task]:
    """The tasks of ``mtl_all`` but the target."""
    if config.strategy.supports != "all":
        return []
    names = sorted({*config.strategy.tasks} - {config.target_task.name})
    return [_defined(cfg, name) for name in names]


def _defined(cfg: DictConfig, name: str) -> Task:
    """The definition of a task that is neither target nor support, from its file."""
    node = OmegaConf.load(task_file(name))
    root = OmegaConf.create({"suite": cfg.suite, "task": node})
    task: Task = checked(Task, root.task, f"target_task ({name})")
    checks.check_task(task)
    return task


def _draw(config: Config, task: Task, size: Any, key: str, target: int | None = None) -> TaskDraw:
    found = splits(task)
    rows = {name: _row_count(split, config.cache_dir) for name, split in found.items()}
    most = config.subsample_size.dev
    return TaskDraw(
        task=task,
        digests={name: split.key for name, split in found.items()},
        rows=rows,
        count=count_rows(size, rows["train"], task.name, key, target),
        dev_count={n: min(rows[n], most or rows[n]) for n in rows if n != "train"},
        draw_seed=config.subsample_size.seed,
    )


_counted: dict[str, int] = {}


def _row_count(split: Split, cache_dir: str) -> int:
    if split.key not in _counted:
        _counted[split.key] = len(split.load(cache_dir))
    return _counted[split.key]
