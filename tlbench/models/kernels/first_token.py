"""The last encoder layer for the one token that heads read: its output for others is not used.

The layer is that of Devlin et al. 2019 (post-normalised, as in Vaswani et al. 2017), computed as
transformers does, but with a single query.
"""

from types import MethodType
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward

# Their layers have the same modules under the same names, and normalise after each sublayer.
_LIKE_BERT = {"BertLayer", "CamembertLayer", "ElectraLayer", "RobertaLayer", "XLMRobertaLayer"}
_ADDITIVE_MASK = {"eager", "sdpa", "tlbench"}  # attentions; others take masks of other shapes
_FOR_DECODERS = {"encoder_hidden_states", "encoder_attention_mask", "past_key_values", "use_cache"}


def read_first_token_only(encoder: PreTrainedModel) -> bool:
    """Make ``last_hidden_state`` (rows, 1, hidden size): the first token's, equal up to rounding.

    Saves most of a layer's work: the queries, the output and the feed-forward part of all other
    tokens. The weights stay where they were.

    Returns:
        Whether the encoder supports that; others are left as they are.
    """
    if not is_like_bert(encoder) or encoder.config._attn_implementation not in _ADDITIVE_MASK:
        return False
    _replace_forward(_layers(encoder)[-1])
    return True


def set_first_token_layer(encoder: PreTrainedModel, layer: int | None) -> None:
    """Change which layer ``read_first_token_only`` is of in the next forwards.

    Args:
        layer: its number, from 1, and none above it is computed; None: none is.
    """
    layers = _layers(encoder)
    if layer is not None:
        _replace_forward(layers[layer - 1])
    for number, one in enumerate(layers, start=1):
        one.reads_all_tokens = number != layer


def _layers(encoder: PreTrainedModel) -> Any:
    return encoder.get_submodule("encoder.layer")


def _replace_forward(layer: Any) -> None:
    # On the instance: its class, names of weights and saved files stay those of transformers.
    if "forward" not in vars(layer):
        layer.forward = MethodType(_first_token_forward, layer)


def is_like_bert(encoder: PreTrainedModel) -> bool:
    """Return whether an encoder's layers have BERT's modules under BERT's names."""
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    return isinstance(layers, nn.ModuleList) and type(layers[-1]).__name__ in _LIKE_BERT


def _first_token_forward(
    layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **kwargs: Any
) -> Tensor:
    """Return a layer's output for the first token, (rows, 1, hidden size).

    Args:
        layer: the module whose ``forward`` this becomes.
        hidden_states: (rows, tokens, hidden size).
        attention_mask: added to the scores, (rows, 1, tokens or 1, tokens).
        kwargs: what else the layer passes to its attention.
    """
    if getattr(layer, "reads_all_tokens", False):
        of_all: Tensor = type(layer).forward(layer, hidden_states, attention_mask, *_, **kwargs)
        return of_all
    attention = layer.attention.self
    first = hidden_states[:, :1]
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(
        attention.config._attn_implementation, eager_attention_forward
    )
    size = attention.attention_head_size
    context, _weights = attend(
        attention,
        _by_head(attention.query(first), size),
        _by_head(attention.key(hidden_states), size),
        _by_head(attention.value(hidden_states), size),
        None if attention_mask is None else attention_mask[:, :, :1],
        dropout=attention.dropout.p if layer.training else 0.0,
        scaling=attention.scaling,
        **{name: value for name, value in kwargs.items() if name not in _FOR_DECODERS},
    )
    attended: Tensor = layer.attention.output(context.reshape(*first.shape[:-1], -1), first)
    output: Tensor = layer.feed_forward_chunk(attended)
    return output


def _by_head(x: Tensor, size: int) -> Tensor:
    """Return (rows, tokens, hidden size) as (rows, heads, tokens, size of a head)."""
    return x.view(*x.shape[:-1], -1, size).transpose(1, 2)
