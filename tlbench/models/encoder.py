"""The shared encoder and its tokenizer, from the hub, a folder, or a Python package."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tlbench.config.schema import Encoder
from tlbench.errors import UserError, first_line
from tlbench.models.loading import load_from_files, quiet_transformers
from tlbench.plan import encoder_files


# The probe, the encoder and the data of every stage of a job ask for it.
@lru_cache(maxsize=4)
def load_tokenizer(name: str, revision: str | None, trust_remote_code: bool = False) -> Any:
    """Return the fast tokenizer of an encoder, with token types if the encoder tells them apart.

    Raises:
        UserError: if its files are missing, it can't pad, or a text's first token is a word.
    """
    tokenizer = load_from_files(AutoTokenizer, name, revision, trust_remote_code)
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise UserError(
            f"Change encoder.name: '{name}' has no fast tokenizer (tokenizer.json) with a padding "
            "token."
        )
    # The empty text too: without a special token it is a row of no tokens, which has no features.
    for text in ("", "a"):
        special = tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"]
        if special[:1] != [1]:
            raise UserError(
                f"Change encoder.name: the tokenizer of '{name}' adds no special token before a "
                "text, so heads would read its first word."
            )
    config = load_from_files(AutoConfig, name, revision, trust_remote_code)
    if getattr(config, "type_vocab_size", 0) < 2:
        # DistilBERT's forward takes no token types, and RoBERTa has an embedding for type 0 only.
        names = tokenizer.model_input_names
        tokenizer.model_input_names = [name for name in names if name != "token_type_ids"]
    return tokenizer


def load_encoder(encoder: Encoder, start: Path | None = None) -> PreTrainedModel:
    """Return the encoder with its first ``num_hidden_layers`` layers, in training mode and float32.

    Args:
        encoder: as the config has it.
        start: a stage's saved encoder to start from instead of the pretrained weights.

    Raises:
        UserError: if the files are missing, are not of an encoder, or do not fit
            ``num_hidden_layers``, ``max_length`` or the tokenizer.
    """
    config = load_from_files(
        AutoConfig, encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
    )
    _check_kind(encoder, config)
    if encoder.num_hidden_layers:
        keep_layers(config, encoder.num_hidden_layers, encoder.name)
    if start is not None or encoder.pretrained:
        model = _pretrained(encoder, config, start)
    else:
        model = _random(encoder, config)
    remove_pooler(model)
    _check_fit(encoder, model)
    if encoder.gradient_checkpointing:
        _checkpoint_layers(encoder.name, model)
    # transformers returns a pretrained model in evaluation mode, and a random one in training mode.
    model.train()
    return model


def remove_pooler(model: PreTrainedModel) -> None:
    """Put in the place of an encoder's pooler, if it has one, what does nothing.

    Heads have their own dense layer; a pooler would be trained by nothing, and under several
    devices DDP refuses parameters without gradients.
    """
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = _NoPooler()


def _check_kind(encoder: Encoder, config: Any) -> None:
    """Make sure that it is a bidirectional encoder: a decoder's first token attends to no other.

    Raises:
        UserError: if it is not.
    """
    model_type = config.model_type
    is_encoder = model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_encoder_decoder
    # Code of the encoder's own may have any model type; the probe tells whether it can be trained.
    if not (is_encoder or encoder.trust_remote_code):
        raise UserError(
            f"Change encoder.name: '{encoder.name}' is a {model_type}, which is not an encoder of "
            "a masked language model as bert, roberta or deberta-v2 are."
        )


def keep_layers(config: Any, layers: int, name: str) -> None:
    """Set the number of layers in the config of an encoder of that name.

    Raises:
        UserError: if it has fewer.
    """
    available = getattr(config, "num_hidden_layers", 0)
    try:
        config.num_hidden_layers = layers
    except NotImplementedError:  # Funnel counts its layers in blocks
        available = 0
    if layers > available:
        problem = f"{available} layers, not {layers}" if available else "no number of layers to set"
        raise UserError(f"Change encoder.num_hidden_layers: {name} has {problem}.")
    if getattr(config, "layer_types", None):  # ModernBERT: which layers attend globally
        config.layer_types = config.layer_types[:layers]


def _check_fit(encoder: Encoder, model: Any) -> None:
    """Make sure that a pair of texts fits ``max_length``, and every token has an embedding.

    Raises:
        UserError: if not.
    """
    tokenizer = load_tokenizer(
        encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
    )
    special = tokenizer.num_special_tokens_to_add(pair=True)
    if encoder.max_length < special + 2:
        raise UserError(f"Change encoder.max_length: two texts need {special + 2} tokens or more.")
    embeddings = getattr(model.config, "vocab_size", len(tokenizer))
    if len(tokenizer) > embeddings:
        raise UserError(
            f"Change encoder.name: the tokenizer of '{encoder.name}' has {len(tokenizer)} tokens "
            f"and its encoder {embeddings}."
        )


def _checkpoint_layers(name: str, model: PreTrainedModel) -> None:
    """Have every layer keep its input alone, and be computed again in the backward.

    Chen et al. 2016, with the random numbers of the first time, so that dropout is the same.

    Raises:
        UserError: if transformers has no support for it in this family.
    """
    # Its name since transformers 5.23, which warns of the older one.
    recent = getattr(model, "activation_checkpointing_enable", None)
    try:
        (recent or model.gradient_checkpointing_enable)({"use_reentrant": False})
    except ValueError as error:
        raise UserError(
            f"Change encoder.gradient_checkpointing to false: '{name}' "
            f"({model.config.model_type}) has no layers that can be computed again."
        ) from error
    # Embeddings that are frozen need no gradient: it is reentrant checkpoints that want one.
    model.disable_input_require_grads()  # type: ignore[no-untyped-call]


def _random(encoder: Encoder, config: Any) -> PreTrainedModel:
    """Return an encoder with random weights.

    Raises:
        UserError: if its config makes none.
    """
    try:
        model: PreTrainedModel = AutoModel.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32, trust_remote_code=encoder.trust_remote_code
        )
    except Exception as error:  # whatever a family raises for sizes that do not fit each other
        raise UserError(
            f"Change encoder.name: '{encoder.name}' can't be made from its config.json "
            f"({first_line(error)})."
        ) from error
    return model


def _pretrained(encoder: Encoder, config: Any, start: Path | None) -> PreTrainedModel:
    """Return an encoder with all its weights from files.

    Raises:
        UserError: if they can't be loaded, or lack some of the encoder's weights.
    """
    name = str(start or encoder.name)
    revision = None if start else encoder_files.revision(encoder)
    options = {
        "config": config,
        # Whatever the files hold: weights in 16 bits would lose small updates of the optimizer.
        "dtype": torch.float32,
        "output_loading_info": True,
        # Of files that are not safetensors: tensors alone, as any other pickled object runs code.
        "weights_only": True,
    }
    model: PreTrainedModel
    with quiet_transformers():
        model, info = load_from_files(
            AutoModel, name, revision, encoder.trust_remote_code, **options
        )
    _check_complete(info["missing_keys"], name)
    return model


def _check_complete(missing_keys: Iterable[str], name: str) -> None:
    """Make sure that an encoder's files hold all its weights, but for a pooler's.

    transformers gives missing ones random values, and says so in a line of a log.

    Raises:
        UserError: if not.
    """
    missing = sorted(key for key in missing_keys if not key.startswith("pooler."))
    if missing:
        raise UserError(
            f"Change encoder.name: the files of '{name}' lack {len(missing)} weights of the "
            f"encoder ({missing[0]}, ...)."
        )


class _NoPooler(nn.Module):
    """Takes a pooler's place, since some families call theirs without checking for None."""

    def forward(self, hidden: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return hidden
