"""Which weights of an encoder a stage trains: all, its biases, or its last layers."""

from transformers import PreTrainedModel

from tlbench.errors import UserError
from tlbench.models.layers import layers_of


def train_biases_only(encoder: PreTrainedModel) -> None:
    """Leave all of an encoder as it is but its biases (BitFit, Ben Zaken et al. 2022).

    Raises:
        UserError: if it has none.
    """
    encoder.requires_grad_(False)
    biases = [one for name, one in encoder.named_parameters() if name.endswith("bias")]
    if not biases:
        raise UserError(
            f"Change trainable: the encoder ({encoder.config.model_type}) has no biases to train."
        )
    for one in biases:
        one.requires_grad_(True)


def train_top_only(encoder: PreTrainedModel, layers: int, highest: int | None = None) -> None:
    """Leave all of an encoder as it is but the last layers that heads read.

    Args:
        layers: how many.
        highest: the number of the highest layer that a head reads, from 1; None: of the last.

    Raises:
        UserError: if it has fewer, or it can't be told which modules are its layers.
    """
    stack = layers_of(encoder, "trainable")[:highest]
    if layers > len(stack):
        raise UserError(
            f"Change trainable_layers: heads read {len(stack)} layers of the encoder, not {layers}."
        )
    encoder.requires_grad_(False)
    stack[-layers:].requires_grad_(True)
