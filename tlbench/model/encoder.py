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

from tlbench import hub
from tlbench.config import Encoder
from tlbench.errors import UserError


@lru_cache(maxsize=4)
def load_tokenizer(name: str, revision: str | None, trust_remote_code: bool = False) -> Any:
    """The fast tokenizer of an encoder, which tells texts apart if the encoder does.

    Raises:
        UserError: if its files are not there, or it can't pad.
    """
    tokenizer = _from_files(AutoTokenizer, name, revision, trust_remote_code)
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise UserError(
            f"Change encoder.name: '{name}' has no fast tokenizer (tokenizer.json) with a padding "
            "token."
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
    config = _from_files(AutoConfig, encoder.name, hub.revision(encoder), encoder.trust_remote_code)
    _check_kind(encoder, config)
    layers, have = encoder.num_hidden_layers, config.num_hidden_layers
    if layers and layers > have:
        raise UserError(
            f"Change encoder.num_hidden_layers: {encoder.name} has {have} layers, not {layers}."
        )
    config.num_hidden_layers = layers or have
    if getattr(config, "layer_types", None):  # ModernBERT: which layers attend globally
        config.layer_types = config.layer_types[: config.num_hidden_layers]
    if start is not None or encoder.pretrained:
        model = _pretrained(encoder, config, start)
    else:
        model = AutoModel.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32, trust_remote_code=encoder.trust_remote_code
        )
    if hasattr(model, "pooler"):
        model.register_module("pooler", None)  # the heads have a layer of their own in its place
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


def _check_fit(encoder: Encoder, model: Any) -> None:
    """Refuse rows longer than the encoder has positions, and tokens that it has no vector for."""
    tokenizer = load_tokenizer(encoder.name, hub.revision(encoder), encoder.trust_remote_code)
    special = tokenizer.num_special_tokens_to_add(pair=True)
    positions = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    if isinstance(positions, nn.Embedding):  # others are relative
        # RoBERTa's and MPNet's positions begin after the padding's.
        unused = 0 if positions.padding_idx is None else positions.padding_idx + 1
        most = positions.num_embeddings - unused
        if encoder.max_length > most:
            raise UserError(f"Change encoder.max_length: {encoder.name} has {most} positions.")
    if encoder.max_length < special + 2:
        raise UserError(f"Change encoder.max_length: two texts need {special + 2} tokens or more.")
    if len(tokenizer) > model.config.vocab_size:
        raise UserError(
            f"Change encoder.name: the tokenizer of '{encoder.name}' has {len(tokenizer)} tokens "
            f"and its encoder {model.config.vocab_size}."
        )


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
        name, revision = str(start or encoder.name), None if start else hub.revision(encoder)
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
    folder = hub.locate(name)
    try:
        return auto.from_pretrained(folder, **options)
    except Exception as error:  # whatever the libraries that read the files raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if "trust_remote_code" in str(error) and not trust_remote_code:
            raise UserError(
                f"Change encoder.name, or set encoder.trust_remote_code=true if you have read the "
                f"Python code in the files of '{name}': they need it to be run."
            ) from error
        raise UserError(
            f"Change encoder (encoder=minilm and encoder=tiny need no download) or encoder.name: "
            f"'{name}' can't be loaded ({reason})."
        ) from error


class Head(nn.Module):
    """RoBERTa's classification head: dropout, dense, tanh, dropout, output (Liu et al. 2019)."""

    def __init__(self, config: Any, outputs: int) -> None:
        super().__init__()
        dropout = getattr(config, "hidden_dropout_prob", 0.1)
        own = getattr(config, "classifier_dropout", None)
        self.dropout = nn.Dropout(dropout if own is None else own)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, outputs)
        for layer in (self.dense, self.output):
            nn.init.normal_(layer.weight, std=getattr(config, "initializer_range", 0.02))
            nn.init.zeros_(layer.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """From the first token's features, (rows, hidden), to logits, (rows, outputs)."""
        hidden = torch.tanh(self.dense(self.dropout(features)))
        logits: torch.Tensor = self.output(self.dropout(hidden))
        return logits
