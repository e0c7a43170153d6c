"""Methods that weigh losses and add them up."""

from collections.abc import Sequence

import torch
from torch import Tensor


def row_weights(counts: Sequence[int], loss: str) -> Tensor:
    """Each row's weight, (rows,): ``sum`` of the tasks' means, or ``mean`` over all rows."""
    total = sum(counts)
    each = [1 / (count if loss == "sum" else total) if count else 0.0 for count in counts]
    return torch.repeat_interleave(torch.tensor(each), torch.tensor(counts))
