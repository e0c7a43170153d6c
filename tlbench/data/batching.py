"""Which rows make which batch: the length of an epoch, and the composition of its batches.

Everything is a function of (seed, epoch, shares). There is no state, so an interrupted training
can compute the batches of any epoch again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tlbench.config.schema import ONE_TASK_A_BATCH
from tlbench.data.apportionment import apportion, fixed_counts

BatchPlan = list[tuple[int, NDArray[np.int64]]]  # (task, its rows), for every task in the batch
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Mixer:
    """Composes the batches of an epoch.

    Attributes:
        names: of the tasks; the order of a task's rows depends on its name, not on its place here.
        sizes: rows of each task.
        shares: each task's part of the first epoch, which determines the length of all epochs.
        batches: ``heterogeneous`` (tasks mixed in a batch), ``homogeneous`` (one task a batch),
            ``partition`` (the same, one task after another) or ``fixed_counts``.
        epoch: ``total``, ``shortest``, ``longest``, ``target``, or a number of steps.
        target: index of the task that ``epoch="target"`` means.
        last_batch: ``keep`` or ``drop`` an epoch's last batch (of one task a batch: every task's)
            if it is smaller than ``batch_size`` and not the only one.
        seed: of the experiment.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    shares: Floats
    batches: str
    epoch: Any
    batch_size: int
    seed: int
    target: int = 0
    last_batch: str = "keep"

    def counts(self, shares: Floats | None = None) -> Ints:
        """Return the instances of each task in an epoch.

        Args:
            shares: of a later epoch, which has as many batches as the first; None: the first's.
        """
        # A later epoch takes over the steps of the first, so that the schedule of the learning
        # rate, which is made for a total of steps, holds whatever the shares become.
        fixed_steps = isinstance(self.epoch, int) or shares is not None
        shares = self.shares if shares is None else shares
        if self.batches == "fixed_counts" and len(self.sizes) > 1:
            return fixed_counts(shares, self.batch_size) * self.steps()
        if fixed_steps and self.batches in ONE_TASK_A_BATCH:
            return apportion(shares, self.steps()) * self.batch_size
        if isinstance(self.epoch, int):
            return apportion(shares, self.epoch * self.batch_size)
        counts = apportion(shares, self._instances())
        if self.batches in ONE_TASK_A_BATCH:
            return np.array([self._without_dropped(int(count)) for count in counts])
        return apportion(shares, self._without_dropped(int(counts.sum())))

    def _without_dropped(self, instances: int) -> int:
        """Return how many of an epoch's instances are in batches that are not dropped."""
        if self.last_batch == "keep" or instances < self.batch_size:
            return instances
        return instances - instances % self.batch_size

    def steps(self) -> int:
        """Return the batches of an epoch."""
        if isinstance(self.epoch, int):
            return self.epoch
        if self.batches == "fixed_counts" and len(self.sizes) > 1:
            return self._steps_of_fixed_counts()
        if self.batches in ONE_TASK_A_BATCH:
            return int(sum(-(-count // self.batch_size) for count in self.counts()))
        return -(-int(self.counts().sum()) // self.batch_size)

    def _instances(self) -> int:
        """Return the instances of an epoch that ends when ``epoch`` says."""
        sizes = np.array(self.sizes)
        # After how many instances of all tasks each has had all its rows once. In floating point
        # a size over its own share may fall just short of a whole number.
        exhausted = sizes / self.shares + 1e-6
        instances = {  # by the value of ``epoch``
            "total": sizes.sum(),
            "shortest": exhausted.min(),
            "longest": np.ceil(exhausted.max() - 1e-5),
            "target": exhausted[self.target],
        }
        return int(instances[self.epoch])

    def _steps_of_fixed_counts(self) -> int:
        sizes = np.array(self.sizes)
        counts = fixed_counts(self.shares, self.batch_size)
        steps = {
            "total": -(-sizes.sum() // self.batch_size),
            "shortest": (sizes // counts).min(),
            "longest": (-(-sizes // counts)).max(),
            "target": -(-sizes // counts)[self.target],
        }
        return max(1, int(steps[self.epoch]))

    def plan(self, epoch: int, shares: Floats | None = None) -> list[BatchPlan]:
        """Return the batches of an epoch, ``steps()`` of them; ``shares`` as in ``counts``."""
        rows = [
            self._rows(task, int(count), epoch) for task, count in enumerate(self.counts(shares))
        ]
        # A task alone has the same batches under every setting, so that it is one stage.
        if len(rows) == 1:
            return self._heterogeneous(rows, epoch)
        if self.batches == "fixed_counts":
            current = self.shares if shares is None else shares
            return self._fixed(rows, fixed_counts(current, self.batch_size))
        compose: dict[str, Callable[[list[Ints], int], list[BatchPlan]]] = {
            "homogeneous": self._homogeneous,
            "partition": self._partition,
        }
        return compose.get(self.batches, self._heterogeneous)(rows, epoch)

    def _rng(self, epoch: int, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, *stream])

    def _rows(self, task: int, count: int, epoch: int) -> Ints:
        """Return ``count`` rows of a task: whole permutations, and the beginning of one more."""
        # So no row comes a second time in an epoch before all others have come once.
        size = self.sizes[task]
        # A stream for each name, so that a task's order is the same alone and beside any other.
        rng = self._rng(epoch, crc32(self.names[task].encode()))
        passes = [rng.permutation(size) for _ in range(-(-count // size))]
        return np.concatenate(passes)[:count] if passes else np.empty(0, np.int64)

    def _heterogeneous(self, rows: list[Ints], epoch: int) -> list[BatchPlan]:
        # Which task each place of the epoch belongs to is shuffled; the rows of a task are taken
        # in the order in which they were permuted.
        owners = np.repeat(np.arange(len(rows)), [len(of_task) for of_task in rows])
        if len(rows) > 1:
            self._rng(epoch).shuffle(owners)
        ends = np.arange(self.batch_size, len(owners), self.batch_size)
        counts = [np.bincount(batch, minlength=len(rows)) for batch in np.split(owners, ends)]
        bounds = np.cumsum([np.zeros(len(rows), np.int64), *counts], axis=0)
        return [_batch(rows, low, high) for low, high in pairwise(bounds)]

    def _homogeneous(self, rows: list[Ints], epoch: int) -> list[BatchPlan]:
        batches = [batch for of_task in self._by_task(rows) for batch in of_task]
        return [batches[i] for i in self._rng(epoch).permutation(len(batches))]

    def _partition(self, rows: list[Ints], epoch: int) -> list[BatchPlan]:
        by_task = self._by_task(rows)
        order = self._rng(epoch).permutation(len(by_task))
        return [batch for task in order for batch in by_task[task]]

    def _by_task(self, rows: list[Ints]) -> list[list[BatchPlan]]:
        """Return the batches of each task, all of one task."""
        size = self.batch_size
        return [
            [[(task, of_task[low : low + size])] for low in range(0, len(of_task), size)]
            for task, of_task in enumerate(rows)
        ]

    def _fixed(self, rows: list[Ints], counts: Ints) -> list[BatchPlan]:
        return [_batch(rows, counts * step, counts * (step + 1)) for step in range(self.steps())]


def _batch(rows: list[Ints], low: Ints, high: Ints) -> BatchPlan:
    """Return the batch with rows ``low`` to ``high`` of each task, without tasks that have none."""
    parts = [
        (task, of_task[start:end])
        for task, (of_task, start, end) in enumerate(zip(rows, low, high, strict=True))
    ]
    return [(task, part) for task, part in parts if len(part)]
