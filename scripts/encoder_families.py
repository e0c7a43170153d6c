"""Tries a small random encoder of every masked-language-model family that transformers has.

``python scripts/encoder_families.py`` prints a Markdown table of all of them, in a minute or two;
``python scripts/encoder_families.py bert xlm`` of these two. Each is tried as by a stage that is to
train on a CPU with ``fast_kernels``.
"""

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from transformers import AutoConfig, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

from tlbench.config.schema import Encoder
from tlbench.errors import UserError
from tlbench.models.encoder import load_tokenizer
from tlbench.models.features import preferred
from tlbench.models.probe import try_encoder

FAMILIES = tuple(MODEL_FOR_MASKED_LM_MAPPING_NAMES)
_TOKENIZER = "package:tlbench/assets/tiny"
_TOKENS = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
}
_LENGTH = 64  # tokens, of at most 80 positions
_SMALL: dict[str, Any] = {
    "vocab_size": 345,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 48,
    "embedding_size": 32,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
_TEXT = {k: v for k, v in _SMALL.items() if k not in ("head_dim", "num_key_value_heads")}
_IMAGES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 16,
}
# Values that a family needs beside those of ``_SMALL``, or in their place.
_OF_FAMILY: dict[str, dict[str, Any]] = {
    "esm": {"mask_token_id": 4},
    "funnel": {
        "architectures": ["FunnelModel"],
        "block_sizes": [1, 1],
        "block_repeats": [1, 1],
        "d_head": 16,
        "d_inner": 48,
        "num_decoder_layers": 1,
    },
    "layoutlm": {"max_2d_position_embeddings": 64},
    "longformer": {"attention_window": 64},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "mobilebert": {"true_hidden_size": 16, "intra_bottleneck_size": 16, "embedding_size": 16},
    "modernvbert": {
        "text_config": {"model_type": "modernbert", **_TEXT},
        "vision_config": {"model_type": "siglip_vision_model", **_IMAGES},
    },
    "neomme": {"embedding_rank": 16, "per_layer_config": {}},
    "nystromformer": {"num_landmarks": 8, "segment_means_seq_len": 8},
    "perceiver": {
        "d_model": 32,
        "d_latents": 32,
        "num_latents": 8,
        "num_self_attends_per_block": 1,
        "num_self_attention_heads": 2,
        "num_cross_attention_heads": 2,
    },
    "reformer": {
        "axial_pos_embds_dim": [8, 24],
        "axial_pos_shape": [8, 10],
        "attn_layers": ["local", "lsh"],
        "feed_forward_size": 48,
        "attention_head_size": 16,
    },
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "roc_bert": {
        "pronunciation_embed_dim": 8,
        "pronunciation_vocab_size": 9,
        "shape_embed_dim": 8,
        "shape_vocab_size": 9,
    },
    "tapas": {"type_vocab_sizes": [3, 4, 4, 2, 4, 4, 10]},
    "ultravbert": {"text_config": {"model_type": "ultrabert", **_SMALL}, "vision_config": _IMAGES},
}


class Result(NamedTuple):
    """The result of trying a family.

    Attributes:
        family: transformers' name of it.
        kernels: those that compute its features; "" if it is refused.
        refused: the sentence that refuses it; "" if it trains.
    """

    family: str
    kernels: str
    refused: str


def save(family: str, folder: Path, **config: Any) -> None:
    """Write the config of a small encoder of a family, and a tokenizer with [CLS] and [SEP].

    Args:
        family: transformers' name of it.
        folder: where both are written.
        config: values that replace those of this script.
    """
    # A config keeps a value whose name its family does not know, and ignores it: leave it out.
    default = AutoConfig.for_model(family)
    values = {name: value for name, value in _SMALL.items() if hasattr(default, name)}
    if family == "funnel":
        del values["num_hidden_layers"]  # a property, derived from its blocks
    values |= _OF_FAMILY.get(family, {}) | config
    AutoConfig.for_model(family, **values).save_pretrained(folder)
    # One vocabulary for all: the probe asks about the encoder, and no family's own is offline.
    PreTrainedTokenizerFast(
        tokenizer_object=load_tokenizer(_TOKENIZER, None).backend_tokenizer,
        model_input_names=["input_ids", "attention_mask", "token_type_ids"],
        **_TOKENS,
    ).save_pretrained(folder)


def try_families(families: Iterable[str]) -> list[Result]:
    """Try families, each in a temporary folder."""
    results = []
    for family in families:
        with tempfile.TemporaryDirectory() as folder:
            save(family, Path(folder))
            encoder = Encoder(folder, None, False, None, _LENGTH)
            try:
                kernels = try_encoder(encoder, preferred(fast=True, on_cuda=False, compiled=False))
                results.append(Result(family, kernels.features, ""))
            except UserError as error:
                # Named by its family in the sentence, as the folder says nothing to a reader.
                results.append(Result(family, "", str(error).replace(folder, family)))
    return results


def table(results: Iterable[Result]) -> str:
    """Return the Markdown table of results."""
    lines = ["| family | result | kernels | sentence |", "|---|---|---|---|"]
    lines += [
        f"| {result.family} | {'refused' if result.refused else 'trains'} | {result.kernels} | "
        f"{result.refused.replace('|', '/')} |"
        for result in results
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table of the families named on the command line, or of all."""
    # Families warn about their own defaults, which says nothing about the encoder.
    transformers.logging.set_verbosity_error()
    results = try_families(sys.argv[1:] or FAMILIES)
    trains = sum(not result.refused for result in results)
    print(table(results))
    print(
        f"\n{len(results)} families tried, {trains} train, {len(results) - trains} refused; "
        f"transformers {transformers.__version__}, torch {torch.__version__}."
    )


if __name__ == "__main__":
    main()
