"""Less padding: rows of like length into the same batches, with every batch's task counts kept."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tlbench.data.batching import BatchPlan

Ints = NDArray[np.int64]
WINDOW = 32  # batches among which rows are exchanged


def group_by_length(
    plan: Sequence[BatchPlan], lengths: Sequence[Ints], rng: np.random.Generator
) -> list[BatchPlan]:
    """Exchange rows among neighbouring batches so that each has rows of like length.

    Every batch keeps how many rows of which task it has, so no proportion changes. In a window the
    k-th batch, in an order drawn by ``rng``, gets of every task the k-th shortest rows.

    Args:
        lengths: by task, the tokens of every row.
    """
    grouped: list[BatchPlan] = []
    for low in range(0, len(plan), WINDOW):
        grouped += _exchange(plan[low : low + WINDOW], lengths, rng)
    return grouped


def _exchange(
    batches: Sequence[BatchPlan], lengths: Sequence[Ints], rng: np.random.Generator
) -> list[BatchPlan]:
    order = rng.permutation(len(batches))
    made: list[BatchPlan] = [[] for _ in batches]
    for task in sorted({task for batch in batches for task, _ in batch}):
        rows = {i: r for i in order for owner, r in batches[i] if owner == task}
        together = np.concatenate(list(rows.values()))
        together = together[np.argsort(lengths[task][together], kind="stable")]
        ends = np.cumsum([len(r) for r in rows.values()])[:-1]
        for i, part in zip(rows, np.split(together, ends), strict=True):
            made[i].append((task, part))
    return made
