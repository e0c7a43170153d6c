"""The features that heads read, computed by the encoder's forward, or faster.

Those of the first token, unless a task of the batch has a label per word: then all tokens have
features, in one forward for all tasks, and each head reads its own. A head whose task has a
``head_layer`` reads that layer, in the same forward.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor
from transformers import PreTrainedModel

from tlbench.models.kernels import first_token, jagged, unpadded
from tlbench.models.kernels.dropout import use_fast_kernels
from tlbench.models.layers import count_layers, hidden_states

Places = tuple[Tensor, Tensor] | None


class Kernels(NamedTuple):
    """What computes the features.

    Attributes:
        features: ``unpadded``: all layers without padding (``tlbench.models.kernels.unpadded``,
            and off the CPU ``tlbench.models.kernels.jagged``);
            ``first_token``: the last layer that is read for that token alone
            (``tlbench.models.kernels.first_token``);
            ``plain``: the encoder's own forward.
        on_cpu: with the dropout and attention that are made for a CPU
            (``tlbench.models.kernels.dropout``).
    """

    features: Literal["unpadded", "first_token", "plain"]
    on_cpu: bool


PLAIN = Kernels("plain", on_cpu=False)
_JAGGED = Kernels("unpadded", on_cpu=False)


def preferred(fast: bool, on_cuda: bool, compiled: bool) -> list[Kernels]:
    """Return the kernels to try, the fastest first; the last is the encoder as it is.

    Args:
        fast: ``fast_kernels``.
        on_cuda: whether the stage is trained on a GPU.
        compiled: whether the encoder's own forward is compiled, which ``unpadded`` does not call.
    """
    if not fast:
        return [PLAIN]
    on_cpu = not on_cuda
    cheapest = [] if compiled else [Kernels("unpadded", on_cpu)]
    last = [Kernels("plain", on_cpu)] if on_cpu else []
    return [*cheapest, Kernels("first_token", on_cpu), *last, PLAIN]


def supports(encoder: PreTrainedModel, kernels: Kernels) -> bool:
    """Return whether an encoder has the structure that kernels are made for."""
    if kernels.features == "unpadded":
        other = not kernels.on_cpu and jagged.is_supported(encoder)
        return unpadded.can_unpad(encoder) or other
    return kernels.features == "plain" or first_token.is_like_bert(encoder)


def prepare(encoder: PreTrainedModel, kernels: Kernels) -> None:
    """Change an encoder so that ``features`` can compute with kernels that it supports."""
    if kernels.on_cpu:
        use_fast_kernels(encoder)
    if kernels.features == "first_token":
        first_token.read_first_token_only(encoder)
    if kernels == _JAGGED and not unpadded.can_unpad(encoder):
        encoder.set_attn_implementation(jagged.ATTENTION)


def features(
    encoder: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    kernels: Kernels,
    lengths: Sequence[int] = (),
    places: Places = None,
) -> Tensor:
    """Return features of the last layer, (tokens, hidden size).

    Args: as ``layer_features`` has them.
    """
    last = {count_layers(encoder): places}
    (of_last,) = layer_features(encoder, inputs, kernels, lengths, last)
    return of_last


def layer_features(
    encoder: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    kernels: Kernels,
    lengths: Sequence[int],
    places: Mapping[int, Places],
) -> list[Tensor]:
    """Return features of tokens from layers, each (tokens, hidden size), from one forward.

    Args:
        encoder: prepared for the kernels.
        inputs: ``input_ids``, ``attention_mask`` and so on, each (rows, tokens).
        kernels: what computes them.
        lengths: tokens of every row, where the CPU knows them; none: the mask is asked.
        places: by number of the layer, from 1, the row, and the place in it, of every token that is
            read, each (tokens,); None: of every row the first token.
    """
    if kernels == _JAGGED:
        mask = inputs["attention_mask"]
        layout = jagged.JaggedLayout.of(lengths or mask.sum(1).tolist(), mask.shape[1], mask.device)
        kernel = unpadded if unpadded.can_unpad(encoder) else jagged
        return _unpadded(kernel, encoder, inputs, layout, places)
    if kernels.features == "unpadded":
        padded = unpadded.PaddedLayout.of(inputs["attention_mask"])
        return _unpadded(unpadded, encoder, inputs, padded, places)
    if kernels.features == "first_token":
        highest = max(places)
        first_token.set_first_token_layer(encoder, highest if places[highest] is None else None)
    states = hidden_states(encoder, inputs, list(places))
    return [
        hidden[:, 0] if at is None else hidden[at]
        for hidden, at in zip(states, places.values(), strict=True)
    ]


def _unpadded(
    kernel: Any,
    encoder: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    layout: unpadded.Layout,
    places: Mapping[int, Places],
) -> list[Tensor]:
    """Return ``layer_features`` by a module of kernels whose tokens stand one after the other."""
    all_tokens = {layer: at is not None for layer, at in places.items()}
    by_layer: list[Tensor] = kernel.layer_features(encoder, inputs, layout, all_tokens)
    return [
        part if at is None else part[layout.starts[at[0]] + at[1]]
        for part, at in zip(by_layer, places.values(), strict=True)
    ]
