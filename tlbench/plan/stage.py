"""A stage: one training run, and the key that says which runs are the same run.

The key hashes what changes a stage's result and nothing else, so that a stage that several
experiments, sweeps or jobs need is trained once.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tlbench.config.identity import KEY_LENGTH
from tlbench.config.schema import Config, Encoder, Task
from tlbench.config.values import HELD_OUT, ONE_TASK_A_BATCH, RULES
from tlbench.errors import UserError

TRAINING_VERSION = 3  # raise when training code changes numbers


@dataclass(frozen=True)
class TaskSubset:
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
class Need:
    """An edge of the graph: a stage that is finished before another one begins.

    Attributes:
        weights_of: the task whose best weights the other one starts from; None where it reads
            nothing but scores.
    """

    stage: "Stage"
    weights_of: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose best weights must be there: one, or none."""
        return () if self.weights_of is None else (self.weights_of,)

    @property
    def title(self) -> str:
        """What a person reads: ``mnli``, or ``mnli+rte:mnli`` where there is a choice of task."""
        choice = self.weights_of is not None and len(self.stage.tasks) > 1
        return self.stage.title + (f":{self.weights_of}" if choice else "")


@dataclass(frozen=True)
class Stage:
    """Tasks trained together, from a fresh encoder or from another stage's best weights.

    Attributes:
        draws: the tasks, sorted by name.
        start: the stage that this one starts from, and the task whose best weights it takes.
        target: the task that ``sampling.epoch=target`` measures an epoch by, else None.
        scores: each task alone, whose scores ``sampling=dynamic`` compares with, else none.
    """

    config: Config
    draws: tuple[TaskSubset, ...]
    start: Need | None = None
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
    def is_single(self) -> bool:
        """Whether it trains a task alone from a fresh encoder, as many experiments may need it."""
        return self.start is None and len(self.draws) == 1

    def ingredients(self) -> dict[str, Any]:
        """All that the key hashes, as plain data."""
        c = self.config
        mixed = len(self.draws) > 1
        hashed = {
            "recipe": TRAINING_VERSION,
            "encoder": encoder_ingredients(c.encoder),
            "start": [self.start.stage.key, self.start.weights_of] if self.start else None,
            "tasks": [draw.ingredients(c.selection == "held_out") for draw in self.draws],
            "optim": vars(c.optim),
            "batch_size": c.batch_size,
            "last_batch": None if self._has_whole_batches else c.sampling.last_batch,
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
            hashed["heads"] = c.heads
        if mixed:
            read = ("name", "batches", "epoch", *RULES[c.sampling.name])
            sampling = {name: getattr(c.sampling, name) for name in read}
            hashed |= {"sampling": sampling, "loss": c.loss, "target": self.target}
        if self.scores:
            hashed["scores"] = [stage.key for stage in self.scores]
        return hashed

    @property
    def _has_whole_batches(self) -> bool:
        """Whether no batch of an epoch can be smaller than the others, so that none is dropped."""
        sampling = self.config.sampling
        counted = sampling.batches == "fixed_counts" or isinstance(sampling.epoch, int)
        return len(self.draws) > 1 and counted

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits."""
        text = json.dumps(self.ingredients(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    @property
    def needs(self) -> tuple[Need, ...]:
        """What to finish before."""
        start = (self.start,) if self.start else ()
        return (*start, *(Need(stage) for stage in self.scores))

    def graph(self) -> list["Stage"]:
        """This stage and all those before it, each once, first things first."""
        stages: dict[str, Stage] = {}
        _visit(self, stages)
        return list(stages.values())

    def starts(self) -> list["Stage"]:
        """The stages that it starts from, one after the other, the first first."""
        if self.start is None:
            return []
        return [*self.start.stage.starts(), self.start.stage]


def _visit(stage: Stage, stages: dict[str, Stage]) -> None:
    if stage.key not in stages:
        for need in stage.needs:
            _visit(need.stage, stages)
        stages[stage.key] = stage


def encoder_ingredients(encoder: Encoder) -> dict[str, Any]:
    """What a stage's key hashes of the encoder: what its files are, not where they lie."""
    named = {"name", "revision", "identity"}
    own = {name: value for name, value in vars(encoder).items() if name not in named}
    return {"identity": encoder.identity, **own}


def check_stage(stage: Stage) -> None:
    """Refuse a batch too small to mix the stage's tasks, and a draw too small to hold rows out."""
    c = stage.config
    for draw in stage.draws:
        if c.selection == "held_out" and draw.count < HELD_OUT:
            raise UserError(
                f"Change selection, or subsample_size: held_out takes one row in {HELD_OUT} and "
                f"task '{draw.name}' has {draw.count}."
            )
    if c.sampling.batches not in ONE_TASK_A_BATCH and c.batch_size < len(stage.draws):
        raise UserError(
            f"Change batch_size: {c.batch_size} is less than the {len(stage.draws)} tasks that a "
            f"batch mixes ({', '.join(stage.tasks)}); or set sampling.batches=homogeneous."
        )
