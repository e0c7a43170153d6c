"""Cheaper dropout and attention on a CPU: the same distribution, other random numbers."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, eager_mask

ATTENTION = "tlbench"
_WORDS = 4  # 16-bit words of an int64
_RANGE = 2**16
_ONE = {torch.bfloat16: 0x3F80, torch.float16: 0x3C00}  # the bits of 1


def keep_mask(like: Tensor, p: float) -> tuple[Tensor, float]:
    """A dropout mask: 0 for a part ``p`` of all places, else 1; and what to multiply the rest by.

    Compares 16 random bits a place, at a seventh of the cost of ``bernoulli_``. ``p`` is exact to
    2^-17, and the factor is that of the ``p`` used, so the expectation is exact.

    Returns:
        The mask, of the shape and type of ``like``, and 1 / (1 - p).
    """
    dropped = round(p * _RANGE)
    count = like.numel()
    words = torch.empty(-(-count // _WORDS), dtype=torch.int64)
    words.random_(torch.iinfo(torch.int64).min, None)
    keep = words.view(torch.int16)[:count].view(like.shape)
    if dropped < _RANGE:
        keep.ge_(dropped - _RANGE // 2)
    else:
        keep.zero_()
    factor = _RANGE / max(1, _RANGE - dropped)
    if like.dtype not in _ONE:
        return keep.to(like.dtype), factor
    return keep.mul_(_ONE[like.dtype]).view(like.dtype), factor  # 0 or 1


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """``torch.nn.functional.dropout``, with ``keep_mask`` on a CPU."""
    if not training or p == 0 or x.device.type != "cpu":
        return functional.dropout(x, p, training)
    mask, factor = keep_mask(x, p)
    return (x * mask).mul_(factor)


class FastDropout(nn.Dropout):
    """``torch.nn.Dropout``, with ``keep_mask`` on a CPU."""

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
    """Attention for training on a CPU; where nothing is dropped, PyTorch's fused one.

    Args:
        query, key, value: (rows, heads, tokens, size of a head).
        attention_mask: added to the scores, (rows, 1, tokens, tokens).

    Returns:
        The output, (rows, tokens, heads, size of a head).
    """
    if not dropout or query.device.type != "cpu" or key.shape[1] != query.shape[1]:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **kwargs
        )
    scale = query.size(-1) ** -0.5 if scaling is None else scaling
    # Autocast would have the scores in float32, which softmax does not need: it sums in float32.
    with torch.autocast("cpu", enabled=False):
        scores = torch.matmul(query * scale, key.transpose(2, 3))
        if attention_mask is not None:
            scores.add_(attention_mask)
        weights = functional.softmax(scores, dim=-1)
        mask, factor = keep_mask(weights, dropout)
        output = torch.matmul(weights * mask, value * factor)
        return output.transpose(1, 2).contiguous(), None


def use_fast_kernels(model: nn.Module) -> None:
    """Give a model the dropout and attention of this module, as far as it can take them."""
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Dropout:
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], FastDropout(layer.p))
    for encoder in model.modules():
        if isinstance(encoder, PreTrainedModel) and encoder._supports_attention_backend:
            encoder.set_attn_implementation(ATTENTION)


AttentionInterface.register(ATTENTION, attention)
AttentionMaskInterface.register(ATTENTION, eager_mask)
