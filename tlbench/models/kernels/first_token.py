"""The last encoder layer for the one token that heads read: what it makes of others is not used."""

from types import MethodType
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.bert.modeling_bert import eager_attention_forward

# Their layers have the same parts under the same names, and normalise after each.
_LIKE_BERT = {"BertLayer", "CamembertLayer", "ElectraLayer", "RobertaLayer", "XLMRobertaLayer"}
_MASKED_BY_SCORE = {"eager", "sdpa", "tlbench"}  # others take masks of other shapes


def read_first_token_only(encoder: PreTrainedModel) -> bool:
    """Make ``last_hidden_state`` (rows, 1, size): the first token's, the same up to rounding.

    Saves most of a layer's work: the queries, the output and the feed-forward part of all other
    tokens. The weights stay where they were.

    Returns:
        Whether the encoder is of a kind that this can be done to; others are left as they are.
    """
    if not is_like_bert(encoder) or encoder.config._attn_implementation not in _MASKED_BY_SCORE:
        return False
    last: Any = encoder.get_submodule("encoder.layer")[-1]  # type: ignore[index]
    last.forward = MethodType(_first_token, last)
    return True


def is_like_bert(encoder: PreTrainedModel) -> bool:
    """Whether an encoder's layers are BERT's, or have the same parts under the same names."""
    layers = getattr(getattr(encoder, "encoder", None), "layer", None)
    return isinstance(layers, nn.ModuleList) and type(layers[-1]).__name__ in _LIKE_BERT


def _first_token(
    layer: Any, hidden_states: Tensor, attention_mask: Tensor | None = None, *_: Any, **kwargs: Any
) -> Tensor:
    """A layer's output for the first token, (rows, 1, size).

    Args:
        hidden_states: (rows, tokens, size).
        attention_mask: which tokens the first may look at, (rows, 1, tokens or 1, tokens).
    """
    attention = layer.attention.self
    first = hidden_states[:, :1]

    def by_head(x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], -1, attention.attention_head_size).transpose(1, 2)

    attend = ALL_ATTENTION_FUNCTIONS.get_interface(
        attention.config._attn_implementation, eager_attention_forward
    )
    context, _weights = attend(
        attention,
        by_head(attention.query(first)),
        by_head(attention.key(hidden_states)),
        by_head(attention.value(hidden_states)),
        None if attention_mask is None else attention_mask[:, :, :1],
        dropout=attention.dropout.p if layer.training else 0.0,
        scaling=attention.scaling,
        **_passed_on(kwargs),
    )
    attended: Tensor = layer.attention.output(context.reshape(*first.shape[:-1], -1), first)
    output: Tensor = layer.feed_forward_chunk(attended)
    return output


def _passed_on(kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the layer hands to its attention: all but what is for decoders."""
    decoders = {"encoder_hidden_states", "encoder_attention_mask", "past_key_values", "use_cache"}
    return {name: value for name, value in kwargs.items() if name not in decoders}
