"""What an encoder's ``config.json`` says of its size: weights, and what a layer keeps of a row.

Nothing is built, so that planning needs no torch. The families are those of ``conf/encoder`` and
their kin; of any other the size is not known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from huggingface_hub import hf_hub_download

from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.plan import encoder_files

Kernels = Literal["unpadded", "first_token", "plain"]  # see ``tlbench.models.features``


@dataclass(frozen=True)
class Kept:
    """What a layer keeps for its backward, in bytes, with all numbers in 32 bits or mixed with 16.

    Attributes:
        token: of a token, by unit of the hidden size: inputs of the linear maps and normalisations,
            queries, keys and values, dropout masks of the two sublayers.
        inner: of a token, by unit of the intermediate size: input and output of the activation; of
            gated ones the gate and the product too.
        scores: of a row, by head and pair of tokens: attention's weights, their dropout mask and
            the product of both; nothing where a fused kernel computes attention.
    """

    token: float
    inner: float
    scores: float


@dataclass(frozen=True)
class Shape:
    """The size of an encoder.

    Attributes:
        hidden, intermediate, heads, layers: of the transformer.
        outside: weights of the embeddings and whatever is no layer's.
        layer: weights of a layer.
        in_32, in_16: what a layer keeps in float32, and in mixed precision.
        can_unpad: whether a CPU computes it without padding, and any device the last layer for the
            first token alone.
        drops_scores: whether attention drops weights, which a CPU has no fused kernel for.
        relative: positions that each row is compared with, in DeBERTa's attention; which no
            device has a fused kernel for.
    """

    hidden: int
    intermediate: int
    heads: int
    layers: int
    outside: int
    layer: int
    in_32: Kept
    in_16: Kept
    can_unpad: bool = False
    drops_scores: bool = True
    relative: int = 0

    @property
    def parameters(self) -> int:
        """The weights of the encoder, a pooler not among them, as it is removed."""
        return self.outside + self.layers * self.layer


def shape_of(encoder: Encoder) -> Shape | None:
    """Return the size of an encoder; None of an unknown family, or where its files are not here."""
    try:
        name, revision = encoder.name, encoder_files.revision(encoder)
        return _shape_of(name, revision, encoder.num_hidden_layers, encoder.identity)
    except UserError:  # of a package that is not installed
        return None


def layers_of(encoder: Encoder) -> int | None:
    """Return how many layers an encoder has; None where its files are not here, or do not say."""
    try:
        config = _config_of(encoder.name, encoder_files.revision(encoder), encoder.identity) or {}
        return int(
            encoder.num_hidden_layers or config.get("n_layers") or config["num_hidden_layers"]
        )
    except (UserError, KeyError, TypeError, ValueError):
        return None


def vocabulary_of(encoder: Encoder) -> int:
    """Return how many tokens an encoder has embeddings of; 0 where its files are not here."""
    try:
        config = _config_of(encoder.name, encoder_files.revision(encoder), encoder.identity) or {}
        return int(config.get("vocab_size", 0))
    except (UserError, TypeError, ValueError):
        return 0


@cache
def _shape_of(
    name: str, revision: str | None, layers: int | None, identity: str | None
) -> Shape | None:
    config = _config_of(name, revision, identity)
    return None if config is None else shape(config, layers)


@cache
def _config_of(name: str, revision: str | None, identity: str | None) -> dict[str, Any] | None:
    """Return what an encoder's ``config.json`` holds; None where it is not here."""
    folder = Path(encoder_files.locate(name))
    try:
        if folder.is_dir():
            file = folder / "config.json"
        elif identity:  # the hub, or the cache, has said which commit it is
            file = Path(hf_hub_download(name, "config.json", revision=revision))
        else:
            return None
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except Exception:  # whatever the hub, its client and the network raise; a training says it
        return None
    return config


def shape(config: Mapping[str, Any], layers: int | None = None) -> Shape | None:
    """Return the size that the content of a ``config.json`` means; None of an unknown family.

    Args:
        layers: how many are kept; None: all.
    """
    make = _FAMILIES.get(str(config.get("model_type")))
    try:
        count = layers or config.get("n_layers") or config["num_hidden_layers"]
        return make and make(config, int(count))
    except (KeyError, TypeError):  # it leaves to transformers what is read here
        return None


def _bert(config: Mapping[str, Any], layers: int) -> Shape:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    rows = config["vocab_size"] + config["max_position_embeddings"]
    return Shape(
        hidden,
        inner,
        config["num_attention_heads"],
        layers,
        (rows + config.get("type_vocab_size", 2) + 2) * hidden,
        _post_normalised(hidden, inner),
        Kept(40, 8, 12),
        Kept(28, 4, 6),
        can_unpad=True,
    )


def _distilbert(config: Mapping[str, Any], layers: int) -> Shape:
    hidden, inner = config["dim"], config["hidden_dim"]
    return Shape(
        hidden,
        inner,
        config["n_heads"],
        layers,
        (config["vocab_size"] + config["max_position_embeddings"] + 2) * hidden,
        _post_normalised(hidden, inner),
        Kept(36, 8, 12),
        Kept(26, 4, 6),
    )


def _deberta(config: Mapping[str, Any], layers: int) -> Shape | None:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    usual = config["relative_attention"] and config["share_att_key"]
    if not usual or config.get("conv_kernel_size") or "embedding_size" in config:
        return None  # DeBERTa-v2's larger ones
    span = config.get("position_buckets", -1)
    span = 2 * (span if span > 0 else config["max_position_embeddings"])
    positions = config["max_position_embeddings"] if config["position_biased_input"] else 0
    norms = 4 if config.get("norm_rel_ebd") == "layer_norm" else 2
    return Shape(
        hidden,
        inner,
        config["num_attention_heads"],
        layers,
        (config["vocab_size"] + positions + config["type_vocab_size"] + span + norms) * hidden,
        _post_normalised(hidden, inner),
        Kept(44, 8, 12),
        Kept(30, 4, 6),
        relative=span,
    )


def _modernbert(config: Mapping[str, Any], layers: int) -> Shape:
    # The first layer has no normalisation before its attention: the final one is in its place.
    return _gated(config, layers, Kept(24, 8, 6))


def _eurobert(config: Mapping[str, Any], layers: int) -> Shape | None:
    heads = config["num_attention_heads"]
    if config.get("num_key_value_heads", heads) != heads:
        return None
    return _gated(config, layers, Kept(34, 8, 6))


def _gated(config: Mapping[str, Any], layers: int, in_16: Kept) -> Shape:
    """Return the size of an encoder with gated linear units, and neither biases nor positions."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    return Shape(
        hidden,
        inner,
        config["num_attention_heads"],
        layers,
        (config["vocab_size"] + 1) * hidden,
        4 * hidden**2 + 3 * hidden * inner + 2 * hidden,
        Kept(40, 16, 12),
        in_16,
        drops_scores=bool(config.get("attention_dropout")),
    )


def _post_normalised(hidden: int, inner: int) -> int:
    """Return the weights of a layer as in Vaswani et al. 2017, all with biases."""
    return 4 * (hidden + 1) * hidden + 2 * hidden * inner + inner + hidden + 4 * hidden


_FAMILIES = {
    "bert": _bert,
    "roberta": _bert,
    "camembert": _bert,
    "xlm-roberta": _bert,
    "distilbert": _distilbert,
    "deberta-v2": _deberta,
    "modernbert": _modernbert,
    "eurobert": _eurobert,
}
