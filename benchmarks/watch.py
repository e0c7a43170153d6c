"""The clock of a training: which steps count, how long they take, how long they wait for data."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")


@dataclass(frozen=True)
class Measurement:
    """The sums over the counted steps of one training.

    Attributes:
        tokens: without padding.
        seconds: of the counted steps together.
        waiting: seconds of them spent on getting the next batch.
        device_bytes: peak of the device's memory, 0 on the CPU.
        anonymous_bytes: peak of the process's RssAnon, which its parent fills in.
        precision: of the contender, likewise.
    """

    steps: int
    instances: int
    tokens: int
    seconds: float
    waiting: float
    device_bytes: int
    anonymous_bytes: int = 0
    precision: str = ""


class Watch:
    """Counts the steps after the first ``warmup`` ones, of which there is at least one.

    A GPU works asynchronously: it is waited for where counting begins and where it ends, and never
    between, which would slow it down.

    Args:
        warmup: steps that are not counted.
        steps: that are.
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, warmup: int, steps: int, device: str) -> None:
        assert warmup > 0, "the first step cannot be timed: what came before it is start-up"
        self.warmup = warmup
        self.last = warmup + steps
        self.device = device
        self._done = 0
        self._instances = 0
        self._tokens: Tensor | int = 0  # summed on the device, as reading it would wait for it
        self._began = self._ended = self._waiting = 0.0

    @property
    def steps(self) -> int:
        """All steps to train, those of the warm-up among them."""
        return self.last

    def after_step(self, mask: Tensor) -> None:
        """Count a step that has ended, given its attention mask, (rows, tokens)."""
        if self._counting:
            self._instances += mask.shape[0]
            self._tokens = self._tokens + mask.sum()
        self._done += 1
        if self._done == self.warmup:
            self._began = self._now()
        elif self._done == self.last:
            self._ended = self._now()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time of a block that gets the next batch as waiting for data."""
        began = time.perf_counter()
        yield
        if self._counting:
            self._waiting += time.perf_counter() - began

    def timed(self, batches: Iterable[Item]) -> Iterator[Item]:
        """Yield the same batches, and count the time that it takes to get each."""
        iterator = iter(batches)
        while True:
            with self.waiting():
                try:
                    batch = next(iterator)
                except StopIteration:
                    return
            yield batch

    def result(self) -> Measurement:
        assert self._ended, f"{self._done} of {self.last} steps were trained"
        return Measurement(
            steps=self.last - self.warmup,
            instances=self._instances,
            tokens=int(self._tokens),
            seconds=self._ended - self._began,
            waiting=self._waiting,
            device_bytes=torch.cuda.max_memory_allocated() if self.device == "cuda" else 0,
        )

    @property
    def _counting(self) -> bool:
        return self.warmup <= self._done < self.last

    def _now(self) -> float:
        if self.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()
