"""How long a stage trains and when it evaluates: planning needs it as training does."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count, groupby, takewhile

import numpy as np

from tlbench.config.schema import Config
from tlbench.data.batching import Mixer
from tlbench.data.sampling import Floats, annealed, dynamic, proportions
from tlbench.data.subsampling import HELD_OUT
from tlbench.plan.reweighted_stage import ReweightedStage
from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.plan.stage import Stage, TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.label_columns import same_rows


@dataclass(frozen=True)
class Schedule:
    """A stage's steps, evaluations and rows, at most: early stopping may end it before.

    Attributes:
        sizes: how many rows train, of each group of tasks that share rows (``same_rows``).
    """

    stage: TrainStage
    sizes: tuple[int, ...]

    @classmethod
    def planned(cls, stage: TrainStage) -> "Schedule":
        """That of a stage whose rows have not been drawn yet."""
        counts = [
            subset.count - _held_out(stage, subset) + _pseudo_labelled(stage)
            for subset in stage.subsets
        ]
        groups = _groups(stage)  # of two draws of the same rows the smaller is part of the larger
        return cls(stage, tuple(max(counts[task] for task in group) for group in groups))

    @cached_property
    def mixer(self) -> Mixer:
        sampling, tasks = self.stage.config.sampling, self.stage.tasks
        groups = [[tasks[task] for task in group] for group in _groups(self.stage)]
        names = tuple(map("+".join, groups))
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
            target=next((at for at, one in enumerate(groups) if self.stage.target in one), 0),
            last_batch=sampling.last_batch,
        )

    def shares(
        self, epoch: int, single_task_scores: Floats, latest_scores: Floats | None
    ) -> Floats | None:
        """Each group's part of an epoch, where it is another than in the first; else None.

        Args:
            single_task_scores, latest_scores: what the rule ``dynamic`` compares, (tasks,); the
                latest are None before the first evaluation.
        """
        sampling, sizes = self.stage.config.sampling, np.array(self.sizes)
        if epoch == 0 or len(sizes) == 1:
            return None
        if sampling.name == "annealed":
            return annealed(sizes, epoch, self.stage.config.trainer.max_epochs)
        if sampling.name == "dynamic" and latest_scores is not None:
            mode, floor = sampling.mode or "", sampling.floor or 0
            return dynamic(
                mode, single_task_scores, latest_scores, sizes, sampling.temperature, floor
            )
        return None

    @cached_property
    def steps(self) -> int:
        trainer = self.stage.config.trainer
        return int(min(trainer.max_epochs * self.mixer.steps(), trainer.max_steps or math.inf))

    @cached_property
    def evaluations(self) -> Collection[int]:
        """After which steps to evaluate."""
        return EvalSteps(self.steps, self.mixer.steps(), self.stage.config.eval_every)

    @property
    def trained_rows(self) -> int:
        """Instances of all steps."""
        epochs, rest = divmod(self.steps, self.mixer.steps())
        epoch = int(self.mixer.counts().sum())
        return epochs * epoch + min(rest * self.stage.config.batch_size, epoch)

    @property
    def passes(self) -> int:
        """Sequences of all steps, each as often as a step takes it through the encoder."""
        counts = self.mixer.counts()
        sequences = sum(
            count * _sequences(self.stage.subsets[group[0]])
            for count, group in zip(counts, _groups(self.stage), strict=True)
        )
        each = passes_a_row(self.stage.config)
        return each * round(self.trained_rows * float(sequences / counts.sum()))

    @property
    def evaluated_rows(self) -> int:
        """Rows of all evaluations: of every dev split, those held out, and those looked at before.

        These are the rows of which some are errors, or get labels.
        """
        return self._evaluated([1] * len(self.stage.subsets))

    @property
    def evaluated_sequences(self) -> int:
        """Sequences of all evaluations."""
        return self._evaluated([_sequences(subset) for subset in self.stage.subsets])

    def _evaluated(self, of_row: Sequence[int]) -> int:
        """Return what evaluations come to, of which a row of each task is so much."""
        before = sum(self.sizes) if isinstance(self.stage, ReweightedStage) else 0
        before += _pseudo_labelled(self.stage)
        at_once = sum(
            each * (sum(subset.dev_count.values()) + _held_out(self.stage, subset))
            for subset, each in zip(self.stage.subsets, of_row, strict=True)
        )
        return len(self.evaluations) * at_once + before


def passes_a_row(config: Config) -> int:
    """Return how often a sequence goes forward and backward through the encoder in a step."""
    return 2 if config.perturb.name == "sam" else 1


def _groups(stage: TrainStage) -> list[tuple[int, ...]]:
    """Return which of a stage's tasks share their rows: places in ``stage.subsets``."""
    return same_rows([subset.task for subset in stage.subsets])


def _sequences(subset: TaskSubset) -> int:
    """Return how many sequences a row of a task is."""
    return kind_of(subset.task).sequences


def _held_out(stage: TrainStage, subset: TaskSubset) -> int:
    """Return how many of a task's train rows select and do not train."""
    return subset.count // HELD_OUT if stage.config.selection == "held_out" else 0


def _pseudo_labelled(stage: TrainStage) -> int:
    """Return how many rows without labels a stage trains on beside its task's own, at most."""
    return stage.more_rows.count if isinstance(stage, SelfTrainedStage) else 0


def trained_rows(stage: Stage) -> int:
    """Return how many rows a stage trains at most; none if it is no training."""
    return Schedule.planned(stage).trained_rows if isinstance(stage, TrainStage) else 0


@dataclass(frozen=True)
class EvalSteps(Collection[int]):
    """After which optimizer steps to evaluate: every so many epochs, and after the last.

    They are computed and not listed, as there may be more of them than memory holds.

    Attributes:
        total: the steps of the training; per_epoch: of an epoch.
        every: the epochs between two evaluations; of less than a step, every step is due.
    """

    total: int
    per_epoch: int
    every: float

    def _due(self, number: int) -> int:
        return max(1, round(number * self.every * self.per_epoch))

    def __contains__(self, step: object) -> bool:
        if not isinstance(step, int) or not 0 < step < self.total:
            return step == self.total
        near = int(step / (self.every * self.per_epoch))
        return any(self._due(number) == step for number in range(max(1, near - 1), near + 3))

    def __iter__(self) -> Iterator[int]:
        due = (self._due(number) for number in count(1))
        before = (step for step, _ in groupby(takewhile(lambda step: step < self.total, due)))
        return chain(before, [self.total])

    def __len__(self) -> int:
        interval = self.every * self.per_epoch
        if interval <= 1:
            return self.total
        last = int(self.total / interval) + 1
        while last and self._due(last) >= self.total:
            last -= 1
        return last + 1
