"""How long the rest of a sweep takes, judged by what of it has been trained."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from tlbench.plan.estimate import Work

_RECENT = 8  # jobs of an encoder
_ENOUGH = 0.05  # of a stage's work: before, a job that runs says little about its speed


@dataclass(frozen=True)
class Done:
    """Work that was done in this sweep, and the seconds that it took."""

    encoder: str
    amount: float
    seconds: float


def speeds(done: Sequence[Done]) -> dict[str, float]:
    """Return the work done in a second, by encoder, judged by what was done last.

    A pool's first jobs load what later ones find loaded, and other work on the machine comes and
    goes.
    """
    found = {}
    for encoder in {one.encoder for one in done}:
        recent = [one for one in done if one.encoder == encoder][-_RECENT:]
        amount, seconds = sum(one.amount for one in recent), sum(one.seconds for one in recent)
        if amount and seconds:
            found[encoder] = amount / seconds
    return found


def is_enough(fraction: float) -> bool:
    """Whether a job that has done this fraction of its stage tells how fast it is."""
    return fraction >= _ENOUGH


def expected_seconds(
    work: Work, finished: dict[str, float], running: dict[str, float], before: float | None
) -> float | None:
    """Return how long work takes, by the best that is known; None if nothing is.

    Args:
        work: of a stage.
        finished, running: speeds by encoder, of the sweep's jobs that have ended and that run.
        before: how long it takes by the stages that were in the store before.
    """
    for known in (finished, running):
        if work.encoder in known:
            return work.amount / known[work.encoder]
    return before


def seconds_left(waves: Sequence[Sequence[float]], at_once: int) -> float:
    """Return how long waves of jobs take, each after the one before.

    Args:
        waves: the seconds of each job, in the order in which they begin.
        at_once: how many run beside each other.
    """
    return sum(_wave(list(jobs), max(1, at_once)) for jobs in waves)


def _wave(jobs: Sequence[float], at_once: int) -> float:
    free_at = [0.0] * at_once
    for seconds in jobs:  # each begins where one ends first, as workers take them
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)


def clock(seconds: float | None) -> str:
    """Return ``1:40`` of 100 seconds, ``2:05:00`` of hours; ``?`` if not known."""
    if seconds is None:
        return "?"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
