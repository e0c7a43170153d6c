"""Which rows a finished model predicts together."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

# Tokens of a batch; a forward of so many is as fast as of more. On a CPU what lies between two
# layers should stay in the cache of a core.
TOKENS = 8192
CPU_TOKENS = {torch.float32: 1024, torch.bfloat16: 4096}


def tokens_of_batch(encoder: nn.Module) -> int:
    """Return how many tokens an encoder takes at once, where it is and in its precision."""
    one = next(encoder.parameters())
    return TOKENS if one.device.type != "cpu" else CPU_TOKENS[one.dtype]


def batches(lengths: Sequence[int], most: int) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of every batch, of similar lengths and ``most`` tokens, the longest last."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        is_full = end == len(order) or (end - start + 1) * lengths[order[end]] > most
        if is_full:
            yield order[start:end]
            start = end
