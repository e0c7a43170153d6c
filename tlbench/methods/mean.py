"""The mean loss over the rows of a batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlbench.methods.base import Method

if TYPE_CHECKING:
    from torch import Tensor


class Mean(Method):
    """Every row counts the same, so a task counts by its rows in the batch."""

    def row_weights(self, counts: Sequence[int]) -> "Tensor":
        import torch

        each = [1 / sum(counts) if count else 0.0 for count in counts]
        return torch.repeat_interleave(torch.tensor(each), torch.tensor(counts))
