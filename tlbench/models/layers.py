"""Reads layers of an encoder: a head may read the output of another one than the last.

Layer k gives what the encoder cut to its first k layers gives, so that such a task is exported as a
smaller encoder. Where a family normalises after its last layer alone (ModernBERT, EuroBERT), that
normalisation follows layer k.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from tlbench.errors import UserError


def count_layers(encoder: PreTrainedModel) -> int:
    """Return how many layers an encoder has, as its config says; 0 if that says nothing."""
    return int(getattr(encoder.config, "num_hidden_layers", None) or 0)


def layers_of(encoder: PreTrainedModel, key: str) -> nn.ModuleList:
    """Return an encoder's layers.

    Args:
        key: that asks for some of them, for the message.

    Raises:
        UserError: if it can't be told which modules they are.
    """
    count = count_layers(encoder)
    stacks = (one for one in encoder.modules() if isinstance(one, nn.ModuleList))
    stack = next((one for one in stacks if len(one) == count), None)
    if stack is None:
        raise UserError(
            f"Change {key}: it can't be told which modules of the encoder "
            f"({encoder.config.model_type}) are its {count} layers."
        )
    return stack


def layer_to_read(encoder: PreTrainedModel, head_layer: int | None) -> int:
    """Return the number of the layer, from 1, that a head reads.

    Args:
        head_layer: of its task; None for the last.

    Raises:
        UserError: if there is no such layer, or it can't be told which modules are layers.
    """
    if head_layer is None:
        return count_layers(encoder)
    count = len(layers_of(encoder, "head_layer to null"))
    if head_layer > count:
        raise UserError(f"Change head_layer: the encoder has {count} layers, not {head_layer}.")
    return head_layer


def freeze_above(encoder: PreTrainedModel, layer: int) -> None:
    """Leave as they are the layers above one, which no head reads: they have no gradients."""
    if layer < count_layers(encoder):
        layers_of(encoder, "head_layer to null")[layer:].requires_grad_(False)


def hidden_states(
    encoder: PreTrainedModel, inputs: Mapping[str, Any], layers: Sequence[int], **options: Any
) -> list[Tensor]:
    """Return the outputs of layers, each (rows, tokens, hidden size), from one forward.

    Layers above the highest of them are not computed.

    Args:
        encoder: whose own forward it is.
        inputs: what it takes.
        layers: their numbers, from 1; that of the last one is ``count_layers``.
        options: more of what it takes.
    """
    highest = max(layers)
    if len(layers) > 1:
        options["output_hidden_states"] = True
    with _cut(encoder, highest):
        outputs = encoder(**inputs, **options)
    return [
        outputs.last_hidden_state
        if layer == highest
        else _normalised(encoder, outputs.hidden_states[layer])
        for layer in layers
    ]


@contextmanager
def _cut(encoder: PreTrainedModel, count: int) -> Iterator[None]:
    """Have an encoder no more than its first ``count`` layers, for a forward."""
    if count == count_layers(encoder):
        yield
        return
    stack = layers_of(encoder, "head_layer to null")
    parent, name = next(
        (module, name)
        for module in encoder.modules()
        for name, child in module.named_children()
        if child is stack
    )
    setattr(parent, name, stack[:count])
    try:
        yield
    finally:
        setattr(parent, name, stack)


def _normalised(encoder: PreTrainedModel, hidden: Tensor) -> Tensor:
    """Return the output of a layer as it is behind the last one; not all families change it."""
    norm = getattr(encoder, "final_norm", getattr(encoder, "norm", None))
    return hidden if norm is None else norm(hidden)
