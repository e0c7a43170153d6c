"""The shared encoder and its tokenizer: any Hugging Face name or folder, or inside a package."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES
from transformers.utils import logging as hf_logging

from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.plan import encoder_files


@lru_cache(maxsize=4)
def load_tokenizer(name: str, revision: str | None, trust_remote_code: bool = False) -> Any:
    """The fast tokenizer of an encoder, which tells texts apart if the encoder does.

    Raises:
        UserError: if its files are not there, it can't pad, or a text's first token is a word.
    """
    tokenizer = _from_files(AutoTokenizer, name, revision, trust_remote_code)
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise UserError(
            f"Change encoder.name: '{name}' has no fast tokenizer (tokenizer.json) with a padding "
            "token."
        )
    for text in ("", "a"):  # without one an empty text is a row of no tokens, which has no features
        special = tokenizer(text, return_special_tokens_mask=True)["special_tokens_mask"]
        if special[:1] != [1]:
            raise UserError(
                f"Change encoder.name: the tokenizer of '{name}' adds no special token before a "
                "text, so heads would read its first word."
            )
    config = _from_files(AutoConfig, name, revision, trust_remote_code)
    if getattr(config, "type_vocab_size", 0) < 2:
        # A DistilBERT takes no such numbers, and a RoBERTa knows only 0.
        names = tokenizer.model_input_names
        tokenizer.model_input_names = [name for name in names if name != "token_type_ids"]
    return tokenizer


def load_encoder(encoder: Encoder, start: Path | None = None) -> PreTrainedModel:
    """The encoder with its first ``num_hidden_layers`` layers, in training mode and float32.

    Args:
        start: a stage's saved encoder to start from instead of the pretrained weights.

    Raises:
        UserError: if the files are not there, are not of an encoder, or do not go with
            ``num_hidden_layers``, ``max_length`` or the tokenizer.
    """
    config = _from_files(
        AutoConfig, encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
    )
    _check_kind(encoder, config)
    if encoder.num_hidden_layers:
        _keep_layers(encoder.num_hidden_layers, encoder.name, config)
    if start is not None or encoder.pretrained:
        model = _pretrained(encoder, config, start)
    else:
        model = _random(encoder, config)
    if isinstance(getattr(model, "pooler", None), nn.Module):
        model.pooler = _NoPooler()
    _check_fit(encoder, model)
    model.train()
    return model


def _check_kind(encoder: Encoder, config: Any) -> None:
    """Refuse what has no bidirectional encoder alone: its first token would know no other."""
    kind = config.model_type
    is_encoder = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.is_encoder_decoder
    if not (is_encoder or encoder.trust_remote_code):
        raise UserError(
            f"Change encoder.name: '{encoder.name}' is a {kind}, which is not an encoder of a "
            "masked language model as bert, roberta or deberta-v2 are."
        )


def _keep_layers(layers: int, name: str, config: Any) -> None:
    have = getattr(config, "num_hidden_layers", 0)
    try:
        config.num_hidden_layers = layers
    except NotImplementedError:  # Funnel's are counted in blocks
        have = 0
    if layers > have:
        there = f"{have} layers, not {layers}" if have else "no number of layers to change"
        raise UserError(f"Change encoder.num_hidden_layers: {name} has {there}.")
    if getattr(config, "layer_types", None):  # ModernBERT: which layers attend globally
        config.layer_types = config.layer_types[:layers]


def _check_fit(encoder: Encoder, model: Any) -> None:
    """Refuse a length without room for a pair, and tokens that the encoder has no vector for."""
    tokenizer = load_tokenizer(
        encoder.name, encoder_files.revision(encoder), encoder.trust_remote_code
    )
    special = tokenizer.num_special_tokens_to_add(pair=True)
    if encoder.max_length < special + 2:
        raise UserError(f"Change encoder.max_length: two texts need {special + 2} tokens or more.")
    have = getattr(model.config, "vocab_size", len(tokenizer))
    if len(tokenizer) > have:
        raise UserError(
            f"Change encoder.name: the tokenizer of '{encoder.name}' has {len(tokenizer)} tokens "
            f"and its encoder {have}."
        )


def _random(encoder: Encoder, config: Any) -> PreTrainedModel:
    """An encoder with random weights."""
    try:
        model: PreTrainedModel = AutoModel.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32, trust_remote_code=encoder.trust_remote_code
        )
    except Exception as error:  # whatever a family says of sizes that do not go together
        raise UserError(
            f"Change encoder.name: '{encoder.name}' can't be made from its config.json "
            f"({reason(error)})."
        ) from error
    return model


def _pretrained(encoder: Encoder, config: Any, start: Path | None) -> PreTrainedModel:
    """An encoder with all its weights from files, whose names the log need not list."""
    options = {
        "config": config,
        "dtype": torch.float32,
        "output_loading_info": True,
        "weights_only": True,  # of files that are not safetensors: tensors, no other objects
    }
    said = hf_logging.get_verbosity()
    hf_logging.set_verbosity(logging.ERROR)
    try:
        name, revision = (
            str(start or encoder.name),
            None if start else encoder_files.revision(encoder),
        )
        model: PreTrainedModel
        model, info = _from_files(AutoModel, name, revision, encoder.trust_remote_code, **options)
    finally:
        hf_logging.set_verbosity(said)
    random = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if random:
        raise UserError(
            f"Change encoder.name: the files of '{name}' lack {len(random)} weights of the encoder "
            f"({random[0]}, ...)."
        )
    return model


def _from_files(
    auto: Any, name: str, revision: str | None, trust_remote_code: bool, **options: Any
) -> Any:
    # Said even where it is false: left open, transformers would ask on the terminal.
    options |= {"revision": revision or "main", "trust_remote_code": trust_remote_code}
    folder = encoder_files.locate(name)
    try:
        return auto.from_pretrained(folder, **options)
    except Exception as error:  # whatever the libraries that read the files raise
        if "trust_remote_code" in str(error) and not trust_remote_code:
            raise UserError(
                f"Change encoder.name, or set encoder.trust_remote_code=true if you have read the "
                f"Python code in the files of '{name}': they need it to be run."
            ) from error
        raise UserError(
            f"Change encoder (encoder=minilm and encoder=tiny need no download) or encoder.name: "
            f"'{name}' can't be loaded ({reason(error)})."
        ) from error


def reason(error: Exception) -> str:
    """The first line of what another library says, or the kind of its error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class _NoPooler(nn.Module):
    """In a pooler's place, which some families call without asking: heads have their own layer."""

    def forward(self, hidden: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        return hidden
