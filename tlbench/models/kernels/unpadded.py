"""Encodes a batch unpadded: time grows with every token, padding or not.

Rows of different tasks differ in length, and the protocol decides which of them share a batch. So
the layers work on all tokens of the batch, concatenated without padding ("unpadded", as in
ModernBERT, Warner et al. 2024, section 2.1.2). For attention alone they go back into padded rows on
a CPU: kernels of variable lengths exist for GPUs only (``tlbench.models.kernels.jagged``).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from tlbench.models.kernels import first_token
from tlbench.models.kernels.dropout import attention

MULTIPLE = 128  # tokens: oneDNN compiles a matrix product of every new shape before it runs


class Layout(Protocol):
    """Where the tokens of an unpadded batch are, and how they attend to each other.

    Attributes:
        filled: of every token its place in the padded rows, flattened, (tokens,).
        starts: of every row its first token in the unpadded batch, (rows,).
    """

    @property
    def filled(self) -> Tensor: ...

    @property
    def starts(self) -> Tensor: ...

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, all_tokens: bool
    ) -> Tensor:
        """Return the attention's output for the queried tokens, (queried tokens, hidden size).

        Args:
            module: the self-attention of a BERT, or one like it.
            query: of all tokens, or of the first of every row, (queried tokens, hidden size).
            key, value: (tokens, hidden size).
            all_tokens: which of the two.
        """


class PaddedLayout(NamedTuple):
    """A layout with attention in padded rows.

    Attributes:
        positions: of every token in the padded rows, flattened, (tokens of all rows,).
        filled: the same, filled up to a multiple of ``MULTIPLE`` with a token that nobody reads.
        starts: of every row in the unpadded batch, (rows,).
        mask: added to attention's scores, (rows, 1, 1, tokens of the longest).
    """

    positions: Tensor
    filled: Tensor
    starts: Tensor
    mask: Tensor

    @classmethod
    def of(cls, attention_mask: Tensor) -> "PaddedLayout":
        """Return the layout of a batch with this mask, (rows, tokens), 1 where a token is."""
        lengths = attention_mask.sum(1)
        positions = attention_mask.flatten().nonzero()[:, 0]
        filled = torch.cat([positions, positions.new_zeros(-len(positions) % MULTIPLE)])
        # The least number of bfloat16 is one of float32 too: cast to either, it stays finite.
        least = torch.finfo(torch.bfloat16).min
        mask = torch.zeros(attention_mask.shape).masked_fill(attention_mask == 0, least)
        return cls(positions, filled, lengths.cumsum(0) - lengths, mask[:, None, None])

    def pad(self, unpadded: Tensor, heads: int) -> Tensor:
        """Return (tokens of all rows, hidden size) as (rows, heads, tokens, size of a head)."""
        rows, tokens = len(self.starts), self.mask.shape[-1]
        flat = unpadded.new_zeros(rows * tokens, unpadded.shape[1])
        flat = flat.index_copy(0, self.positions, unpadded[: len(self.positions)])
        return flat.view(rows, tokens, heads, -1).transpose(1, 2)

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, all_tokens: bool
    ) -> Tensor:
        """Attend in padded rows; see ``Layout``."""
        heads = module.num_attention_heads
        context, _weights = attention(
            module,
            self.pad(query, heads) if all_tokens else query.view(len(query), heads, 1, -1),
            self.pad(key, heads),
            self.pad(value, heads),
            self.mask.to(query.dtype),
            dropout=module.dropout.p if module.training else 0.0,
            scaling=module.scaling,
        )
        flat = context.reshape(-1, query.shape[1])
        return flat[self.filled] if all_tokens else flat


def can_unpad(encoder: PreTrainedModel) -> bool:
    """Return whether the encoder has the structure that ``layer_features`` computes."""
    # A small ELECTRA projects its embeddings to the hidden size, which is not computed here.
    return first_token.is_like_bert(encoder) and not hasattr(encoder, "embeddings_project")


def layer_features(
    encoder: Any, inputs: Mapping[str, Tensor], layout: Layout, layers: Mapping[int, bool]
) -> list[Tensor]:
    """Return the features that layers give, of all tokens or of every row's first token.

    Layers above the highest of them are not computed.

    Args:
        encoder: one that can be unpadded.
        inputs: each (rows, tokens), padded on the right.
        layout: of their tokens.
        layers: by number, from 1, whether all tokens are read.

    Returns:
        Of each layer (tokens, hidden size) if all are read, else (rows, hidden size).
    """
    # Embedded before padding is removed: embeddings derive positions from places in the row.
    embedded = encoder.embeddings(**{k: v for k, v in inputs.items() if k != "attention_mask"})
    unpadded = embedded.flatten(0, 1)[layout.filled]
    *below, last = encoder.encoder.layer[: max(layers)]
    features = {}
    for number, layer in enumerate(below, start=1):
        run = _layer
        if layer.gradient_checkpointing and layer.training:
            # As transformers' own forward of the layer, which is not called, would do.
            run = partial(layer._gradient_checkpointing_func, _layer)
        unpadded = run(layer, unpadded, unpadded, layout, True)
        if number in layers:
            features[number] = unpadded if layers[number] else unpadded[layout.starts]
    # Never computed again: its backward comes first, when nothing else has been freed.
    all_tokens = layers[max(layers)]
    queried = unpadded if all_tokens else unpadded[layout.starts]
    features[max(layers)] = _layer(last, unpadded, queried, layout, all_tokens)
    return [features[number] for number in layers]


def _layer(
    layer: Any, unpadded: Tensor, queried: Tensor, layout: Layout, all_tokens: bool
) -> Tensor:
    """Return a layer's output for the queried tokens, (queried tokens, hidden size).

    Args:
        layer: of a BERT, or one like it.
        unpadded: its input, (tokens of all rows, hidden size).
        queried: the part of it whose output is wanted: all of it, or the first of every row.
        layout: of the batch.
        all_tokens: which of the two.
    """
    module = layer.attention.self
    query, key, value = module.query(queried), module.key(unpadded), module.value(unpadded)
    context = layout.attend(module, query, key, value, all_tokens)
    attended = layer.attention.output(context, queried)
    output: Tensor = layer.feed_forward_chunk(attended)
    return output
