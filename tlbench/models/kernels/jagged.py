"""Attention of unpadded rows in one kernel, as GPUs have it: rows of any length, side by side.

The tokens of all rows stand one after the other ("unpadded", ModernBERT, Warner et al. 2024,
section 2.1.2), and attention is that of torch's nested tensors (jagged layout), which is
FlashAttention on a GPU in 16 bits (Dao 2023) and plain arithmetic on a CPU. Where rows begin is
computed from lengths that the CPU knows, so that a step waits for nothing that a GPU computes.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface

from tlbench.models.layers import hidden_states

# torch says once that nested tensors are young, and once what only its tracers need to know.
warnings.filterwarnings("ignore", "The PyTorch API of nested tensors", UserWarning)
logging.getLogger("torch.fx._symbolic_trace").setLevel(logging.ERROR)

ATTENTION = "tlbench_jagged"  # the name under which transformers knows ``attention``


class Rows(NamedTuple):
    """Where rows of tokens begin and end.

    Attributes:
        offsets: the first token of every row, and the end of the last, (rows + 1,).
        shortest, longest: tokens of a row; numbers, as to ask a GPU for them is to wait for it.
    """

    offsets: Tensor
    shortest: int
    longest: int

    def nested(self, tokens: Tensor) -> Tensor:
        """Return (tokens, heads, size of a head) as rows, (rows, heads, tokens of a row, size)."""
        rows: Tensor = torch.nested.nested_tensor_from_jagged(
            tokens, self.offsets, min_seqlen=self.shortest, max_seqlen=self.longest
        )
        return rows.transpose(1, 2)


class JaggedLayout(NamedTuple):
    """Where the tokens of an unpadded batch are in its padded rows.

    Attributes:
        filled: of every token its place in the padded rows, flattened, (tokens,).
        starts: of every row its first token in the unpadded batch, (rows,).
        within: of every token its place in its row, (tokens,).
        rows: all tokens.
        firsts: the first token of every row alone.
    """

    filled: Tensor
    starts: Tensor
    within: Tensor
    rows: Rows
    firsts: Rows

    @classmethod
    def of(cls, lengths: Sequence[int], width: int, device: torch.device) -> "JaggedLayout":
        """Return the layout of rows of these lengths, padded on the right to ``width`` tokens."""
        counts = np.asarray(lengths)
        offsets = np.concatenate([[0], counts.cumsum()])
        within = np.arange(offsets[-1]) - offsets[:-1].repeat(counts)
        filled = within + (np.arange(len(counts)) * width).repeat(counts)
        made = (filled, within, offsets, np.arange(len(counts) + 1))
        places, of_token, ends, one_each = (_moved(numbers, device) for numbers in made)
        rows = Rows(ends, int(counts.min()), int(counts.max()))
        return cls(places, ends[:-1], of_token, rows, Rows(one_each, 1, 1))

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, all_tokens: bool
    ) -> Tensor:
        """Attend in rows of their own lengths; see ``tlbench.models.kernels.unpadded.Layout``."""
        size = module.attention_head_size
        dropout = module.dropout.p if module.training else 0.0
        q, k, v = (x.view(len(x), -1, size) for x in (query, key, value))
        asking = self.rows if all_tokens else self.firsts
        return attend(q, k, v, asking, self.rows, dropout, module.scaling).flatten(1)


def _moved(numbers: Any, device: torch.device) -> Tensor:
    """Return numbers on a device, to which they are on their way."""
    tensor = torch.from_numpy(numbers)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    asking: Rows,
    rows: Rows,
    dropout: float,
    scaling: float | None,
    window: int | None = None,
) -> Tensor:
    """Compute attention in every row alone (Vaswani et al. 2017, equation 1).

    Args:
        query: (tokens that ask, heads, size of a head).
        key, value: (tokens, heads, size of a head).
        asking, rows: where the rows of the first and of the others begin.
        dropout: the probability with which a weight is dropped.
        scaling: of the scores; None: 1 / sqrt(size of a head).
        window: how far to either side a token attends; None: to all of its row.

    Returns:
        (tokens that ask, heads, size of a head).
    """
    if window is None or window >= rows.longest - 1:  # it holds any row
        q, k, v = asking.nested(query), rows.nested(key), rows.nested(value)
        output = functional.scaled_dot_product_attention(q, k, v, None, dropout, scale=scaling)
        tokens: Tensor = output.transpose(1, 2).values()
        return tokens
    if query.is_cuda and query.dtype in (torch.float16, torch.bfloat16) and not dropout:
        ends = rows.offsets.int()
        longest, near = rows.longest, (window, window)
        windowed = varlen_attn(
            query, key, value, ends, ends, longest, longest, scale=scaling, window_size=near
        )
        assert isinstance(windowed, Tensor)
        return windowed
    return _attend_in_padded_rows(query, key, value, rows, dropout, scaling, window)


def _attend_in_padded_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    rows: Rows,
    dropout: float,
    scaling: float | None,
    window: int,
) -> Tensor:
    """Do as ``attend`` for a window, where no kernel of variable lengths has one."""
    size = len(rows.offsets) - 1, rows.longest, *query.shape[1:]
    q, k, v = (
        torch.nested.to_padded_tensor(rows.nested(x).transpose(1, 2), 0.0, size).transpose(1, 2)
        for x in (query, key, value)
    )
    place = torch.arange(rows.longest, device=query.device)
    near = (place[:, None] - place).abs() <= window
    there = place < rows.offsets.diff()[:, None]
    # A query of padding attends to itself alone: with nothing to attend to it would be no number.
    itself = torch.eye(len(place), dtype=torch.bool, device=query.device)
    mask = (near & there[:, None, None, :]) | itself
    output = functional.scaled_dot_product_attention(q, k, v, mask, dropout, scale=scaling)
    first = rows.offsets[:-1]
    token = torch.arange(len(query), device=query.device)
    row = torch.searchsorted(first, token, right=True) - 1
    return output.transpose(1, 2)[row, token - first[row]]


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    jagged_rows: Rows | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute attention as transformers calls it, for one row that holds all rows of a batch.

    Args:
        query, key, value: (1, heads, tokens, size of a head).
        sliding_window: one more than how far to either side a token attends, as transformers
            counts for its flash attention; None: to all of its row.
        jagged_rows: where the rows are.

    Returns:
        The output, (1, tokens, heads, size of a head), and None in place of the weights.
    """
    if jagged_rows is None:
        raise ValueError("rows without their places: this attention is for unpadded batches alone")
    q, k, v = (x[0].transpose(0, 1).contiguous() for x in (query, key, value))
    window = None if sliding_window is None else sliding_window - 1
    output = attend(q, k, v, jagged_rows, jagged_rows, dropout, scaling, window)
    return output[None], None


def is_supported(encoder: PreTrainedModel) -> bool:
    """Return whether ``layer_features`` may try an encoder: its attention can be replaced."""
    return bool(
        encoder._supports_attention_backend
        and "position_ids" in signature(encoder.forward).parameters
    )


def layer_features(
    encoder: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    layout: JaggedLayout,
    layers: Mapping[int, bool],
) -> list[Tensor]:
    """Return the features that layers give by the encoder's own forward, unpadded.

    Args:
        encoder: with ``ATTENTION``.
        inputs: each (rows, tokens).
        layout: of their tokens.
        layers: by number, from 1, whether all tokens are read, or every row's first.

    Returns:
        Of each layer (tokens, hidden size) if all are read, else (rows, hidden size).
    """
    unpadded = {
        name: values.flatten()[layout.filled][None]
        for name, values in inputs.items()
        if name != "attention_mask"
    }
    states = hidden_states(
        encoder,
        unpadded,
        list(layers),
        position_ids=layout.within[None],
        jagged_rows=layout.rows,
    )
    return [
        of_tokens if all_tokens else of_tokens[layout.starts]
        for (of_tokens,), all_tokens in zip(states, layers.values(), strict=True)
    ]


AttentionInterface.register(ATTENTION, attention)
# No mask: rows can't see each other.
AttentionMaskInterface.register(ATTENTION, lambda *_, **__: None)
