"""Faster dropout and attention on a CPU: the same distribution, other random numbers.

Dropout: Srivastava et al. 2014, inverted (what is kept is scaled by 1 / (1 - p)). Attention:
Vaswani et al. 2017, equation 1, with dropout of its weights.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, eager_mask

ATTENTION = "tlbench"  # the name under which transformers knows ``attention``
_INT16_IN_INT64 = 4
_INT16_VALUES = 2**16
_BITS_OF_1 = {torch.bfloat16: 0x3F80, torch.float16: 0x3C00}


def keep_mask(like: Tensor, p: float) -> tuple[Tensor, float]:
    """Return a dropout mask, 0 with probability ``p`` and else 1, and the scale of what is kept.

    Compares 16 random bits an element, at a seventh of the cost of ``bernoulli_``. ``p`` is exact
    to 2^-17, and the scale is that of the ``p`` used, so the expectation is exact.

    Returns:
        The mask, of the shape and type of ``like``, and 1 / (1 - p).
    """
    dropped_values = round(p * _INT16_VALUES)
    count = like.numel()
    # Drawing is what costs, and 64 bits cost as much as 16: one draw serves four elements.
    words = torch.empty(-(-count // _INT16_IN_INT64), dtype=torch.int64)
    words.random_(torch.iinfo(torch.int64).min, None)  # None: to the largest, inclusively
    keep = words.view(torch.int16)[:count].view(like.shape)
    if dropped_values < _INT16_VALUES:
        keep.ge_(dropped_values - _INT16_VALUES // 2)  # signed: the least value is -2^15
    else:
        keep.zero_()
    scale = _INT16_VALUES / max(1, _INT16_VALUES - dropped_values)
    if like.dtype not in _BITS_OF_1:
        return keep.to(like.dtype), scale
    # As the type has 16 bits too, 0 and 1 are written in place: no conversion, no copy.
    return keep.mul_(_BITS_OF_1[like.dtype]).view(like.dtype), scale


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Do as ``torch.nn.functional.dropout``, with ``keep_mask`` on a CPU."""
    if not training or p == 0 or x.device.type != "cpu":
        return functional.dropout(x, p, training)
    mask, scale = keep_mask(x, p)
    return (x * mask).mul_(scale)


class FastDropout(nn.Dropout):
    """Is ``torch.nn.Dropout``, with ``keep_mask`` on a CPU."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute attention for training on a CPU; in any other case call PyTorch's fused kernel.

    Args:
        module: the layer, of which the fused kernel reads attributes.
        query, key, value: (rows, heads, tokens, size of a head).
        attention_mask: added to the scores, (rows, 1, tokens, tokens).
        dropout: the probability with which a weight is dropped.
        scaling: of the scores; None: 1 / sqrt(size of a head).
        kwargs: more arguments of the fused kernel.

    Returns:
        The output, (rows, tokens, heads, size of a head), and None in place of the weights.
    """
    grouped = key.shape[1] != query.shape[1]  # grouped-query attention
    if not dropout or query.device.type != "cpu" or grouped:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
    scale = query.size(-1) ** -0.5 if scaling is None else scaling
    return _attention_with_dropout(query * scale, key, value, attention_mask, dropout), None


def _attention_with_dropout(
    query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, p: float
) -> Tensor:
    # Autocast would have the scores in float32, which softmax does not need: it sums in float32.
    with torch.autocast("cpu", enabled=False):
        scores = torch.matmul(query, key.transpose(2, 3))
        if attention_mask is not None:
            scores.add_(attention_mask)
        weights = functional.softmax(scores, dim=-1)
        mask, scale = keep_mask(weights, p)
        # To scale the values is cheaper than to scale the weights, and gives the same product.
        output = torch.matmul(weights * mask, value * scale)
        return output.transpose(1, 2).contiguous()


def use_fast_kernels(model: nn.Module) -> None:
    """Replace a model's dropout and attention by those of this module, where it supports them."""
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Dropout:  # exactly: a subclass may do something else
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], FastDropout(layer.p))
    for encoder in model.modules():
        if isinstance(encoder, PreTrainedModel) and encoder._supports_attention_backend:
            encoder.set_attn_implementation(ATTENTION)


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, eager_mask)
