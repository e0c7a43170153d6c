"""Which jobs of a sweep run beside each other in one Slurm job: ``hydra.launcher.stages_per_job``.

A small stage leaves most of a GPU idle, and a Slurm job has to be waited for and started.
"""

import heapq
from collections.abc import Sequence
from typing import Any, TypeVar

from tlbench.errors import UserError
from tlbench.plan.estimate import seconds_of_each, work_of
from tlbench.sweep.plan import SweepJob

Item = TypeVar("Item")


def check_stages_per_job(count: Any) -> int:
    """Return the value of ``hydra.launcher.stages_per_job``.

    Raises:
        UserError: if it is no number of stages.
    """
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise UserError(
            f"Change hydra.launcher.stages_per_job: {count} is no number of stages; 1 gives each "
            "a Slurm job of its own."
        )
    return count


def expected_lengths(jobs: Sequence[SweepJob]) -> list[float]:
    """Return about how long jobs take: seconds, or rows where that is not known of all."""
    if len(jobs) < 2:  # there is nothing to compare, and nobody need read the store
        return [0.0] * len(jobs)
    seconds = seconds_of_each([work_of(job.stage) for job in jobs])
    known = [one for one in seconds if one is not None]
    return known if len(known) == len(jobs) else [float(job.rows) for job in jobs]


def in_bundles(items: Sequence[Item], lengths: Sequence[float], size: int) -> list[list[Item]]:
    """Deal items into as few bundles of at most ``size`` as there can be, of about equal length.

    The longest item first, each to the bundle that is shortest so far and not full (LPT: Graham,
    Bounds on Multiprocessing Timing Anomalies, 1969). The longest bundle is the first, and the
    longest item of each.

    Args:
        lengths: of the items; those of a bundle are added up.
    """
    bundles: list[list[Item]] = [[] for _ in range(-(-len(items) // size))]
    totals = [0.0] * len(bundles)
    shortest = [(0.0, place) for place in range(len(bundles))]
    for number in sorted(range(len(items)), key=lambda i: lengths[i], reverse=True):
        _, place = heapq.heappop(shortest)
        bundles[place].append(items[number])
        totals[place] += lengths[number]
        if len(bundles[place]) < size:
            heapq.heappush(shortest, (totals[place], place))
    order = sorted(range(len(bundles)), key=lambda place: totals[place], reverse=True)
    return [bundles[place] for place in order]


def bundles_of(jobs: Sequence[SweepJob], size: int) -> list[list[SweepJob]]:
    """Return jobs of a wave in bundles, the longest first; with a size of 1 each by itself."""
    return in_bundles(jobs, expected_lengths(jobs), size)
