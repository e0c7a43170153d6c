"""Which rows of a batch each rank of several devices takes."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def rank_part(
    ids: Sequence[Ints], weights: torch.Tensor, rank: int, ranks: int
) -> tuple[list[Ints], torch.Tensor]:
    """A rank's rows of a batch: every ``ranks``-th, those of the tasks one after the other.

    Every rank gets as many rows as the one with most, and so as many micro-batches: all take part
    in what they add up. One that lacks a row has the batch's first as well, with weight 0.

    Args:
        ids: by task, row numbers.
        weights: of all the rows, in the loss of the whole batch.

    Returns:
        Its ``ids``, and their weights in a loss whose mean over the ranks is that of the batch.
    """
    owner = np.repeat(np.arange(len(ids)), [len(of_task) for of_task in ids])
    positions = np.arange(len(owner))[rank::ranks]
    own = weights[torch.from_numpy(positions)] * ranks
    if len(positions) < -(-len(owner) // ranks):
        positions = np.concatenate([[0], positions])
        own = torch.cat([torch.zeros(1), own])
    rows = np.concatenate(ids)[positions]
    parts = [rows[owner[positions] == task] for task in range(len(ids))]
    return parts, own


def rank_part_by_task(
    ids: Sequence[Ints], weights: torch.Tensor, rank: int, ranks: int
) -> tuple[list[Ints], torch.Tensor]:
    """The same, dealt out task by task: all ranks have rows of every task, and as many of them.

    A method that asks for the gradient of each task would else have ranks wait for each other.
    """
    of_tasks = torch.split(weights, [len(of_task) for of_task in ids])
    parts = [rank_part([rows], own, rank, ranks) for rows, own in zip(ids, of_tasks, strict=True)]
    return [rows for (rows,), _ in parts], torch.cat([own for _, own in parts])
