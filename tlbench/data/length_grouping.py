"""Length grouping: rows of similar length share batches, which so have less padding.

As HF Trainer's ``group_by_length``, which sorts rows within random megabatches. That would let
tasks of short texts gather in batches of their own; here a batch's counts of tasks stay.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tlbench.data.batching import BatchPlan

Ints = NDArray[np.int64]
WINDOW = 32  # batches among which rows are exchanged


def group_by_length(
    plan: Sequence[BatchPlan], lengths: Sequence[Ints], rng: np.random.Generator
) -> list[BatchPlan]:
    """Exchange rows among neighbouring batches so that each has rows of similar length.

    Every batch keeps its count of rows of each task, so no proportion changes. In a window of
    batches the k-th one, in an order drawn by ``rng``, gets of every task the k-th shortest rows.

    Args:
        plan: the batches of an epoch.
        lengths: by task, the tokens of every row.
        rng: draws the order, without which a window would go from short rows to long ones.
    """
    grouped: list[BatchPlan] = []
    for low in range(0, len(plan), WINDOW):
        grouped += _exchange(plan[low : low + WINDOW], lengths, rng)
    return grouped


def _exchange(
    batches: Sequence[BatchPlan], lengths: Sequence[Ints], rng: np.random.Generator
) -> list[BatchPlan]:
    order = rng.permutation(len(batches))
    exchanged: list[BatchPlan] = [[] for _ in batches]
    for task in sorted({task for batch in batches for task, _ in batch}):
        by_batch = {i: rows for i in order for owner, rows in batches[i] if owner == task}
        pooled = np.concatenate(list(by_batch.values()))
        pooled = pooled[np.argsort(lengths[task][pooled], kind="stable")]
        ends = np.cumsum([len(rows) for rows in by_batch.values()])[:-1]
        for i, part in zip(by_batch, np.split(pooled, ends), strict=True):
            exchanged[i].append((task, part))
    return exchanged
