"""Adapters: a few weights are trained beside those of an encoder, which stay as they are.

LoRA (Hu et al. 2022) adds ``alpha / r * B A`` to a layer's weights, where B has ``r`` columns and A
as many rows; DoRA (Liu et al. 2024) trains the length of each output's weights beside it. Both are
peft's. Saved weights are those of the sum, so that whatever starts from a stage, merges it or
predicts with it needs to know nothing of adapters.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tlbench.config.keys import is_under
from tlbench.config.schema import Adapter
from tlbench.errors import UserError, first_line

NONE = "none"


def inject(encoder: PreTrainedModel, adapter: Adapter) -> None:
    """Put an adapter into an encoder, beside which nothing of it is trained; none for ``none``.

    It begins without an effect, so that features are what they were. Dropouts are replaced after
    this (``tlbench.models.features.prepare``), as adapters have one.

    Raises:
        UserError: naming ``target_modules``, if the encoder has no such modules, or they can't
            have an adapter.
    """
    if adapter.name == NONE:
        return
    from peft import LoraConfig, inject_adapter_in_model

    _check_modules(encoder, adapter.target_modules)
    options: dict[str, Any] = {
        "r": adapter.r,
        "lora_alpha": adapter.alpha,
        "lora_dropout": adapter.dropout,
        "target_modules": adapter.target_modules,
        "use_dora": adapter.name == "dora",
    }
    try:
        inject_adapter_in_model(LoraConfig(**options), encoder)
    except ValueError as error:
        model_type = encoder.config.model_type
        reason = (
            f"peft has no default for {model_type}; give all-linear, or some of "
            f"{', '.join(_linear(encoder))}"
            if adapter.target_modules is None
            else f"they can't have an adapter ({first_line(error).partition('. ')[0]})"
        )
        raise UserError(f"Change encoder.adapter.target_modules: {reason}.") from error


def _check_modules(encoder: PreTrainedModel, names: str | list[str] | None) -> None:
    """Refuse names of modules that there are not; of several, peft passes over those."""
    for name in names if isinstance(names, list) else ():
        if not any(f".{module}".endswith(f".{name}") for module, _ in encoder.named_modules()):
            raise UserError(
                f"Change encoder.adapter.target_modules: the encoder has no module '{name}'; it "
                f"has {', '.join(_linear(encoder))}."
            )


def _linear(encoder: nn.Module) -> list[str]:
    """Return the last names of an encoder's linear layers, with what tells them apart."""
    linear = (name for name, one in encoder.named_modules() if isinstance(one, nn.Linear))
    return sorted({name.rpartition(".")[2] for name in linear})


@torch.no_grad()
def merged_state(encoder: PreTrainedModel) -> dict[str, Tensor] | None:
    """Return the weights of an encoder with its adapter added to them, under their own names.

    The encoder goes on as it is: adding and subtracting would not give its weights to the last bit.

    Returns:
        None of an encoder without an adapter.
    """
    if not hasattr(encoder, "peft_config"):
        return None
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted: dict[str, Any] = {
        name: one for name, one in encoder.named_modules() if isinstance(one, BaseTunerLayer)
    }
    state = {k: v for k, v in encoder.state_dict().items() if not is_under(k, tuple(adapted))}
    for name, layer in adapted.items():
        merged = deepcopy(layer)  # one after the other, as an encoder may be large
        merged.merge()
        own = merged.get_base_layer().state_dict()
        state |= {f"{name}.{key}": value for key, value in own.items()}
    return state
