"""The sum of the tasks' mean losses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlbench.methods.base import Method

if TYPE_CHECKING:
    from torch import Tensor


class Sum(Method):
    """Every task counts the same in a batch, however many rows it has there.

    As in the published code of Weller et al. 2022, which adds up a loss per task.
    """

    def row_weights(self, counts: Sequence[int]) -> "Tensor":
        import torch

        each = [1 / count if count else 0.0 for count in counts]
        return torch.repeat_interleave(torch.tensor(each), torch.tensor(counts))
