"""Encodes the tokens of a batch without their padding, on a CPU, where every token costs.

Rows of different tasks differ in length, and which of them share a batch is the protocol's to say.
So the layers work on all tokens of the batch in one line; for attention alone they go back into
rows (as flash attention's variable-length kernels do on a GPU).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tlbench.models.kernels import first_token
from tlbench.models.kernels.dropout import attention

MULTIPLE = 128  # tokens: a matrix product of a new shape is compiled before it runs


class _Rows(NamedTuple):
    """Where the tokens of a line are in their rows.

    Attributes:
        places: of every token in the padded rows, flattened, (tokens of all rows,).
        line: the same, filled up to a multiple of ``MULTIPLE`` with a token that nobody reads.
        starts: of every row in the line, (rows,).
        mask: added to attention's scores, (rows, 1, 1, tokens of the longest).
    """

    places: Tensor
    line: Tensor
    starts: Tensor
    mask: Tensor

    def spread(self, line: Tensor, heads: int) -> Tensor:
        """(tokens of all rows, size) as (rows, heads, tokens, size of a head), padding as 0."""
        rows, tokens = len(self.starts), self.mask.shape[-1]
        flat = line.new_zeros(rows * tokens, line.shape[1])
        flat = flat.index_copy(0, self.places, line[: len(self.places)])
        return flat.view(rows, tokens, heads, -1).transpose(1, 2)


def can_unpad(encoder: PreTrainedModel) -> bool:
    """Whether the encoder is of a kind that ``first_tokens`` knows."""
    return first_token.is_like_bert(encoder) and not hasattr(encoder, "embeddings_project")


def first_tokens(encoder: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The features of every row's first token, (rows, size), as the encoder has them.

    Args:
        inputs: each (rows, tokens), padded on the right.
    """
    seen = inputs["attention_mask"]
    embedded = encoder.embeddings(**{k: v for k, v in inputs.items() if k != "attention_mask"})
    lengths = seen.sum(1)
    mask = torch.zeros(seen.shape).masked_fill(seen == 0, torch.finfo(torch.bfloat16).min)
    places = seen.flatten().nonzero()[:, 0]
    filled = torch.cat([places, places.new_zeros(-len(places) % MULTIPLE)])
    rows = _Rows(places, filled, lengths.cumsum(0) - lengths, mask[:, None, None])
    line = embedded.flatten(0, 1)[rows.line]
    *layers, last = encoder.encoder.layer
    for layer in layers:
        line = _layer(layer, line, line, rows, whole=True)
    return _layer(last, line, line[rows.starts], rows, whole=False)


def _layer(layer: Any, line: Tensor, wanted: Tensor, rows: _Rows, whole: bool) -> Tensor:
    """A layer's output for the ``wanted`` tokens: the whole line, or the first of every row."""
    own = layer.attention.self
    heads = own.num_attention_heads
    query = own.query(wanted)
    context, _weights = attention(
        own,
        rows.spread(query, heads) if whole else query.view(len(wanted), heads, 1, -1),
        rows.spread(own.key(line), heads),
        rows.spread(own.value(line), heads),
        rows.mask.to(query.dtype),
        dropout=own.dropout.p if layer.training else 0.0,
        scaling=own.scaling,
    )
    flat = context.reshape(-1, wanted.shape[1])
    attended = layer.attention.output(flat[rows.line] if whole else flat, wanted)
    output: Tensor = layer.feed_forward_chunk(attended)
    return output
