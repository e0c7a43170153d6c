"""A stage: one training run, and the key that says which runs are the same run.

The key hashes what changes a stage's result and nothing else, so that a stage that several
experiments, sweeps or jobs need is trained once.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tlbench.config import Config, Task
from tlbench.data.proportions import RULES

KEY_LENGTH = 16
RECIPE_VERSION = 3  # raise when training code changes numbers


@dataclass(frozen=True)
class TaskDraw:
    """A task with the rows of it that a stage uses.

    Attributes:
        digests: of the source rows of every split.
        rows: how many rows the source has in every split.
        count: how many training rows are drawn, ``rows["train"]`` for all.
        dev_count: for every dev split how many rows are evaluated.
    """

    task: Task
    digests: dict[str, str]
    rows: dict[str, int]
    count: int
    dev_count: dict[str, int]
    draw_seed: int

    @property
    def name(self) -> str:
        return self.task.name

    def ingredients(self, held_out: bool) -> dict[str, Any]:
        """What a stage's key hashes of it; the seed only where it chooses any rows."""
        drawn = {"train": self.count, **self.dev_count}
        whole = drawn == self.rows and not held_out
        return {
            "name": self.name,
            "labels": self.task.labels,
            "score": self.task.score,
            "metrics": self.task.metrics,
            "digests": self.digests,
            "drawn": drawn,
            "draw_seed": None if whole else self.draw_seed,
        }


@dataclass(frozen=True)
class Stage:
    """Tasks trained together, from a fresh encoder or from another stage's best weights.

    Attributes:
        draws: the tasks, sorted by name.
        start: the stage whose best weights (for its one task) this one starts from.
        target: the task that ``sampling.epoch=target`` measures an epoch by, else None.
        scores: each task alone, whose scores ``sampling=dynamic`` compares with, else none.
    """

    config: Config
    draws: tuple[TaskDraw, ...]
    start: "Stage | None" = None
    target: str | None = None
    scores: tuple["Stage", ...] = ()

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(draw.name for draw in self.draws)

    @property
    def title(self) -> str:
        """What a person reads: ``rte``, ``rte<-mnli`` or ``mnli+rte``."""
        return "+".join(self.tasks) + (f"<-{self.start.title}" if self.start else "")

    @property
    def may_start_another(self) -> bool:
        """Whether STILTs may start from it: it is a task alone, from a fresh encoder."""
        return self.start is None and len(self.draws) == 1

    def ingredients(self) -> dict[str, Any]:
        """All that the key hashes, as plain data."""
        c = self.config
        mixed = len(self.draws) > 1
        found = {
            "recipe": RECIPE_VERSION,
            "encoder": vars(c.encoder),
            "start": self.start.key if self.start else None,
            "tasks": [draw.ingredients(c.selection == "held_out") for draw in self.draws],
            "optim": vars(c.optim),
            "batch_size": c.batch_size,
            "group_by_length": c.group_by_length,
            "fast_kernels": c.fast_kernels,
            "max_epochs": c.trainer.max_epochs,
            "max_steps": c.trainer.max_steps,
            "early_stopping": c.trainer.early_stopping,
            "precision": c.trainer.precision,
            "compile": c.trainer.compile,
            "eval_every": c.eval_every,
            "selection": c.selection,
            "seed": c.seed,
        }
        if mixed or self.start:
            found["heads"] = c.heads
        if mixed:
            read = ("name", "batches", "epoch", *RULES[c.sampling.name])
            sampling = {name: getattr(c.sampling, name) for name in read}
            found |= {"sampling": sampling, "loss": c.loss, "target": self.target}
        if self.scores:
            found["scores"] = [stage.key for stage in self.scores]
        return found

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits."""
        text = json.dumps(self.ingredients(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    @property
    def prerequisites(self) -> list[tuple["Stage", str | None]]:
        """The stages to finish before, each with the task whose weights are needed from it."""
        start = [(self.start, self.start.tasks[0])] if self.start else []
        return [*start, *((stage, None) for stage in self.scores)]

    def needed(self) -> list["Stage"]:
        """This stage and those before it, first things first."""
        before = (stage for first, _ in self.prerequisites for stage in first.needed())
        return [*{stage.key: stage for stage in before}.values(), self]
