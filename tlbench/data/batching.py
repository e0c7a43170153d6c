"""Which rows make which batch: the length of an epoch, and the composition of its batches.

Everything is a function of (seed, epoch, shares): no state, so any step of any epoch can be made
again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BatchPlan = list[tuple[int, NDArray[np.int64]]]  # (task, its rows), for every task in the batch
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ONE_TASK_A_BATCH = ("homogeneous", "partition")


def apportion(shares: Floats, total: int) -> Ints:
    """Whole numbers in the given shares that sum to ``total`` (largest remainders)."""
    exact = shares * total
    counts = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: total - counts.sum()]] += 1
    return counts


def fixed_counts(shares: Floats, batch_size: int) -> Ints:
    """Rows of each task in every batch, as the paper's code has them.

    floor(share x batch size), but at least one; what is left goes to the largest task, what
    lacks is taken from whichever task has most.
    """
    counts = np.maximum(np.floor(shares * batch_size + 1e-9).astype(np.int64), 1)
    counts[np.argmax(shares)] += max(0, batch_size - counts.sum())
    while counts.sum() > batch_size:
        counts[np.argmax(counts)] -= 1
    return counts


@dataclass(frozen=True)
class Mixer:
    """Makes the batches of an epoch.

    Attributes:
        names: the tasks, which the order of rows depends on, not their place in the list.
        sizes: how many rows each has.
        shares: each task's part of the first epoch, which gives all epochs their length.
        epoch: ``total``, ``shortest``, ``longest``, ``target``, or a number of steps.
        target: index of the task that ``epoch="target"`` means.
        last_batch: ``keep`` or ``drop`` an epoch's last batch (of one task a batch: every task's)
            if it is smaller than ``batch_size`` and not the only one.
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
        """Instances of each task in an epoch.

        Args:
            shares: of a later epoch, which has as many batches as the first; None: the first's.
        """
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
            return np.array([self._in_batches(int(count)) for count in counts])
        return apportion(shares, self._in_batches(int(counts.sum())))

    def _in_batches(self, instances: int) -> int:
        """How many of an epoch's instances are in batches that are not dropped."""
        if self.last_batch == "keep" or instances < self.batch_size:
            return instances
        return instances - instances % self.batch_size

    def steps(self) -> int:
        """Batches of an epoch."""
        if isinstance(self.epoch, int):
            return self.epoch
        if self.batches == "fixed_counts" and len(self.sizes) > 1:
            return self._fixed_steps()
        if self.batches in ONE_TASK_A_BATCH:
            return int(sum(-(-n // self.batch_size) for n in self.counts()))
        return -(-int(self.counts().sum()) // self.batch_size)

    def _instances(self) -> int:
        sizes = np.array(self.sizes)
        # In floating point a size over its own share may fall just short of a whole number.
        needed = sizes / self.shares + 1e-6
        return int(
            {
                "total": sizes.sum(),
                "shortest": needed.min(),
                "longest": np.ceil(needed.max() - 1e-5),
                "target": needed[self.target],
            }[self.epoch]
        )

    def _fixed_steps(self) -> int:
        sizes = np.array(self.sizes)
        counts = fixed_counts(self.shares, self.batch_size)
        return max(
            1,
            int(
                {
                    "total": -(-sizes.sum() // self.batch_size),
                    "shortest": (sizes // counts).min(),
                    "longest": (-(-sizes // counts)).max(),
                    "target": -(-sizes // counts)[self.target],
                }[self.epoch]
            ),
        )

    def plan(self, epoch: int, shares: Floats | None = None) -> list[BatchPlan]:
        """The batches of an epoch, ``steps()`` of them; ``shares`` as in ``counts``."""
        rows = [self._rows(task, int(n), epoch) for task, n in enumerate(self.counts(shares))]
        if len(rows) > 1 and self.batches == "fixed_counts":
            return self._fixed(
                rows, fixed_counts(self.shares if shares is None else shares, self.batch_size)
            )
        compose: dict[str, Callable[[list[Ints], int], list[BatchPlan]]] = {
            "homogeneous": self._homogeneous,
            "partition": self._partition,
        }
        alone = len(rows) == 1
        return compose.get("" if alone else self.batches, self._heterogeneous)(rows, epoch)

    def _rng(self, epoch: int, *what: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, epoch, *what])

    def _rows(self, task: int, count: int, epoch: int) -> Ints:
        """``count`` rows of a task: whole permutations of it, and the beginning of one more."""
        size = self.sizes[task]
        rng = self._rng(epoch, crc32(self.names[task].encode()))
        passes = [rng.permutation(size) for _ in range(-(-count // size))]
        return np.concatenate(passes)[:count] if passes else np.empty(0, np.int64)

    def _heterogeneous(self, rows: list[Ints], epoch: int) -> list[BatchPlan]:
        owners = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
        if len(rows) > 1:
            self._rng(epoch).shuffle(owners)
        ends = np.arange(self.batch_size, len(owners), self.batch_size)
        drawn = [np.bincount(part, minlength=len(rows)) for part in np.split(owners, ends)]
        bounds = np.cumsum([np.zeros(len(rows), np.int64), *drawn], axis=0)
        return [_batch(rows, low, high) for low, high in pairwise(bounds)]

    def _homogeneous(self, rows: list[Ints], epoch: int) -> list[BatchPlan]:
        made = [batch for of_task in self._by_task(rows) for batch in of_task]
        return [made[i] for i in self._rng(epoch).permutation(len(made))]

    def _partition(self, rows: list[Ints], epoch: int) -> list[BatchPlan]:
        made = self._by_task(rows)
        return [batch for task in self._rng(epoch).permutation(len(made)) for batch in made[task]]

    def _by_task(self, rows: list[Ints]) -> list[list[BatchPlan]]:
        size = self.batch_size
        return [
            [[(task, r[i : i + size])] for i in range(0, len(r), size)]
            for task, r in enumerate(rows)
        ]

    def _fixed(self, rows: list[Ints], counts: Ints) -> list[BatchPlan]:
        return [_batch(rows, counts * step, counts * (step + 1)) for step in range(self.steps())]


def _batch(rows: list[Ints], low: Ints, high: Ints) -> BatchPlan:
    parts = [(task, r[a:b]) for task, (r, a, b) in enumerate(zip(rows, low, high, strict=True))]
    return [(task, r) for task, r in parts if len(r)]
