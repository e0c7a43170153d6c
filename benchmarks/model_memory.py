"""Compares the memory that is predicted for trainings on this CPU with what they take.

python -m benchmarks.model_memory

Each shape is an encoder with random weights, trained for a few steps on rows that all fill
encoder.max_length.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra

from benchmarks.process import run_python
from tlbench.config.search_path import CONF_DIR
from tlbench.plan.build import build
from tlbench.plan.encoder_files import locate
from tlbench.plan.memory import Memory, memory_of
from tlbench.plan.train_stage import TrainStage

TOKENIZER = "package:tlbench/assets/tiny"
VOCABULARY = {"vocab_size": 30522, "pad_token_id": 0}
BERT = {**VOCABULARY, "model_type": "bert", "max_position_embeddings": 512, "type_vocab_size": 2}


def _sizes(hidden: int, heads: int, layers: int, inner: int | None = None) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "intermediate_size": inner or 4 * hidden,
    }


_MINILM = {**BERT, **_sizes(384, 12, 4)}
_LARGER = {**BERT, **_sizes(768, 12, 8)}
_DEBERTA = {
    **VOCABULARY,
    **_sizes(384, 6, 6),
    "model_type": "deberta-v2",
    "relative_attention": True,
    "position_buckets": 64,
    "max_position_embeddings": 512,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "type_vocab_size": 0,
    "max_relative_positions": -1,
}
_SPECIAL = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
_MODERNBERT = {**VOCABULARY, **_SPECIAL, **_sizes(512, 8, 8, 768), "model_type": "modernbert"}
SMALL, LONG = ("batch_size=16", "encoder.max_length=64"), ("batch_size=8", "encoder.max_length=160")
SHAPES: dict[str, tuple[Mapping[str, Any], Sequence[str]]] = {
    "MiniLM, 4 layers, 16 x 64": (_MINILM, SMALL),
    "12 heads of 64, 8 layers, 8 x 160": (_LARGER, LONG),
    "  with gradient checkpointing": (_LARGER, (*LONG, "encoder.gradient_checkpointing=true")),
    "  in bf16-mixed": (_LARGER, (*LONG, "trainer.precision=bf16-mixed")),
    "  without fast kernels": (_LARGER, (*LONG, "fast_kernels=false")),
    "DeBERTa, 6 layers, 8 x 160": (_DEBERTA, LONG),
    "ModernBERT, 8 layers, 8 x 160": (_MODERNBERT, LONG),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every shape in a process of its own, and print predicted beside measured."""
    parser = argparse.ArgumentParser("python -m benchmarks.model_memory", description=__doc__)
    parser.add_argument("--only", default="", help="part of the names of the shapes to measure")
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args(arguments)
    if not Path("/proc/self/status").is_file():
        sys.exit("Run this on Linux: RssAnon is read from /proc.")
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(Path(folder))
        # What Python, its libraries and the rows take cancels out in the difference to it.
        least = [*rows, "encoder=tiny", "batch_size=1", "eval_batch_size=1"]
        base, base_peak = predicted(least), measured(least, options.steps)
        print(f"{'MB':38}{'predicted':>10}{'measured':>10}  ratio")
        for name, (config, own) in SHAPES.items():
            if options.only in name:
                words = [*rows, *own, "eval_batch_size=8", *encoder(config, Path(folder))]
                expected = (predicted(words).total - base.total) / 1e6
                grown = (measured(words, options.steps) - base_peak) / 1e6
                print(f"{name:38}{expected:10.0f}{grown:10.0f}  {expected / grown:.2f}", flush=True)


def write_rows(folder: Path) -> list[str]:
    """Write rows longer than any max_length here; return the overrides that read them."""
    for split in ("train", "dev"):
        lines = ({"text": f"{split} {i} " + "word " * 300, "label": "ab"[i % 2]} for i in range(64))
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{split}.jsonl").write_text(text, "utf-8")
    files = "train:train.jsonl,dev:dev.jsonl,text:[text],label:label,values:[a,b]"
    source = f"++suite.sources.rte={{format:jsonl,path:'{folder}',{files}}}"
    return ["target_task=rte", "suite=generated", "allow_leakage=true", source]


def encoder(config: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the files of an encoder; return the overrides that take it with random weights."""
    # A folder for each: in a process the files of one are digested once.
    place = Path(tempfile.mkdtemp(dir=folder)) / "encoder"
    shutil.copytree(locate(TOKENIZER), place)
    (place / "config.json").write_text(json.dumps(config), "utf-8")
    return [f"encoder.name={place}", "encoder.pretrained=false"]


def predicted(words: Sequence[str]) -> Memory:
    """Return what a dry run says of a training on a CPU."""
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        stage = build(hydra.compose("config", overrides=list(words))).plan()[-1]
    assert isinstance(stage, TrainStage)
    memory = memory_of(stage, on_gpu=False)
    assert memory is not None
    return memory


def measured(words: Sequence[str], steps: int) -> int:
    """Return the peak of RssAnon in bytes of a training."""
    quiet = ("logger=none", "trainer.accelerator=cpu", "trainer.threads=1", "keep_weights=none")
    command = ["-m", "tlbench", *words, *quiet, f"trainer.max_steps={steps}"]
    with tempfile.TemporaryDirectory() as folder:
        return run_python(command, Path(folder))[1]


if __name__ == "__main__":
    main()
