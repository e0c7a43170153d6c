import math
from unittest.mock import MagicMock

import torch

from tlbench.training.task_losses import TaskLosses


def test_the_mean_of_each_tasks_rows_since_it_was_asked_for() -> None:
    losses = TaskLosses(3)
    losses.add([torch.tensor([1.0, 2.0]), torch.tensor([]), torch.tensor([5.0])])
    losses.add([torch.tensor([6.0]), torch.tensor([]), torch.tensor([])])
    ranks = MagicMock()
    ranks.reduce = lambda sums, reduce_op: 2 * sums  # another rank with the same rows
    first, second, third = losses.take(ranks)
    assert (first, third) == (3.0, 5.0)
    assert math.isnan(second)
    losses.add([torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([4.0])])
    assert losses.take(ranks) == [1.0, 2.0, 4.0]
