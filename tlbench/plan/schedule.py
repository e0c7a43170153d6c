"""How long a stage trains and when it evaluates: planning needs it as training does."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tlbench.config.values import HELD_OUT
from tlbench.data.batching import Mixer
from tlbench.data.sampling import Floats, annealed, dynamic, proportions
from tlbench.plan.stage import Stage


@dataclass(frozen=True)
class Schedule:
    """A stage's steps, evaluations and rows, at most: early stopping may end it before.

    Attributes:
        sizes: how many rows of each task train, in the order of ``stage.draws``.
    """

    stage: Stage
    sizes: tuple[int, ...]

    @classmethod
    def planned(cls, stage: Stage) -> "Schedule":
        """That of a stage whose rows have not been drawn yet."""
        held_out = HELD_OUT if stage.config.selection == "held_out" else math.inf
        return cls(stage, tuple(int(d.count - d.count // held_out) for d in stage.draws))

    @cached_property
    def mixer(self) -> Mixer:
        sampling, names = self.stage.config.sampling, self.stage.tasks
        alone = len(names) == 1
        return Mixer(
            names=names,
            sizes=self.sizes,
            shares=proportions(
                "size" if alone else sampling.name,
                np.array(self.sizes),
                sampling.temperature,
                sampling.cap,
            ),
            batches="heterogeneous" if alone else sampling.batches,
            epoch="total" if alone else sampling.epoch,
            batch_size=self.stage.config.batch_size,
            seed=self.stage.config.seed,
            target=names.index(self.stage.target) if self.stage.target else 0,
            last_batch=sampling.last_batch,
        )

    def shares(self, epoch: int, alone: Floats, current: Floats | None) -> Floats | None:
        """Each task's part of an epoch, where it is another than in the first; else None.

        Args:
            alone, current: the scores that the rule ``dynamic`` compares, (tasks,); ``current``
                is None before the first evaluation.
        """
        sampling, sizes = self.stage.config.sampling, np.array(self.sizes)
        if epoch == 0 or len(sizes) == 1:
            return None
        if sampling.name == "annealed":
            return annealed(sizes, epoch, self.stage.config.trainer.max_epochs)
        if sampling.name == "dynamic" and current is not None:
            mode, floor = sampling.mode or "", sampling.floor or 0
            return dynamic(mode, alone, current, sizes, sampling.temperature, floor)
        return None

    @cached_property
    def steps(self) -> int:
        trainer = self.stage.config.trainer
        return int(min(trainer.max_epochs * self.mixer.steps(), trainer.max_steps or math.inf))

    @cached_property
    def evaluations(self) -> frozenset[int]:
        """After which steps to evaluate."""
        return eval_steps(self.steps, self.mixer.steps(), self.stage.config.eval_every)

    @property
    def trained_rows(self) -> int:
        """Instances of all steps."""
        epochs, rest = divmod(self.steps, self.mixer.steps())
        epoch = int(self.mixer.counts().sum())
        return epochs * epoch + min(rest * self.stage.config.batch_size, epoch)

    @property
    def evaluated_rows(self) -> int:
        """Rows of all evaluations: of every dev split, and those held out."""
        dev = sum(sum(draw.dev_count.values()) for draw in self.stage.draws)
        held_out = sum(draw.count for draw in self.stage.draws) - sum(self.sizes)
        return len(self.evaluations) * (dev + held_out)


def eval_steps(total: int, per_epoch: int, every: float) -> frozenset[int]:
    """After which optimizer steps to evaluate: every so many epochs, and after the last."""
    count = math.ceil(total / (every * per_epoch))
    due = (max(1, round(i * every * per_epoch)) for i in range(1, count + 1))
    return frozenset([*(step for step in due if step < total), total])
