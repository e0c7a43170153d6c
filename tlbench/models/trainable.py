"""Which weights of an encoder a stage trains: all, its biases, or its last layers."""

from torch import nn
from transformers import PreTrainedModel

from tlbench.errors import UserError


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


def train_top_only(encoder: PreTrainedModel, layers: int) -> None:
    """Leave all of an encoder as it is but its last layers.

    Raises:
        UserError: if it has fewer, or it can't be told which modules are its layers.
    """
    count = getattr(encoder.config, "num_hidden_layers", None)
    stacks = (one for one in encoder.modules() if isinstance(one, nn.ModuleList))
    stack = next((one for one in stacks if len(one) == count), None)
    if stack is None:
        raise UserError(
            f"Change trainable: it can't be told which modules of the encoder "
            f"({encoder.config.model_type}) are its {count} layers."
        )
    if layers > len(stack):
        raise UserError(f"Change trainable_layers: the encoder has {len(stack)}, not {layers}.")
    encoder.requires_grad_(False)
    stack[-layers:].requires_grad_(True)
