"""Writes an exported model: a folder that plain transformers loads, and tlbench too."""

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForMultipleChoice,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
)
from transformers.utils import logging as hf_logging

from tlbench.config.keys import recorded
from tlbench.config.schema import Task
from tlbench.data.row_texts import choice_columns
from tlbench.data.split import text_columns
from tlbench.data.tokenization import for_words
from tlbench.errors import UserError
from tlbench.export.classifier import classifier
from tlbench.models.heads import make_head
from tlbench.models.layers import hidden_states, layer_to_read
from tlbench.models.loading import quiet_transformers
from tlbench.records.provenance import package_versions
from tlbench.store.disk import writing
from tlbench.tasks.kinds import kind_of

MANIFEST = "tlbench.json"
_TOLERANCE = 1e-5  # between logits of the folder and of the weights that it is made of
# A word, a pair, and a row of many tokens.
_TEXTS = (
    "A short text.",
    "Another one, that is a little longer than the first: is it?",
    "word " * 99,
)


def write_folder(
    out: Path, weights: Path, task: Task, max_length: int, about: dict[str, Any], card: ModelCard
) -> None:
    """Write model, tokenizer, card and manifest into a new folder, complete or not at all.

    Args:
        out: the folder, which is not there yet, or is empty.
        weights: of a task, as the store has them.
        task: whose head it is.
        max_length: tokens at which a row is cut, as in training.
        about: what the manifest says beside the task.
        card: its README.

    Raises:
        UserError: if the folder is there or can't be written, or no classifier of transformers
            computes the same.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"Change --out: {out} is there already.")
    draft = out.absolute().with_name(f".{out.name}-{uuid.uuid4().hex[:8]}")
    with without_bars(), writing("--out", out), _removed_if_it_fails(draft):
        model = classifier(weights, task)
        tokenizer = AutoTokenizer.from_pretrained(weights)
        tokenizer = for_words(tokenizer) if kind_of(task).reads_words else tokenizer
        tokenizer.model_max_length = max_length
        draft.mkdir(parents=True)
        model.save_pretrained(draft)
        tokenizer.save_pretrained(draft)
        plain = not (draft / "modeling_tlbench.py").exists()
        _check(draft, weights, task, tokenizer, plain)
        manifest = {
            "task": _without_places(task),
            "max_length": max_length,
            "plain": plain,
            "tlbench": package_versions()["tlbench"],
            **about,
        }
        card.save(draft / "README.md")
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n")
        for file in draft.iterdir():  # safetensors writes files that only their owner may read
            shutil.copymode(draft / MANIFEST, file)
        if out.exists():
            out.rmdir()
        draft.rename(out)


def _without_places(task: Task) -> dict[str, Any]:
    """Return a task's definition without where its rows lie on this machine."""
    definition = recorded(task)
    source = definition["source"]
    names = ("format", "name", "text", "label", "values", "header", "label_columns", "separator")
    kept = {name: source[name] for name in names if name in source}
    # Of a template the columns alone would be read as texts, one each.
    ways = {name: source[name] for name in ("template", "strip", "explode") if source.get(name)}
    kept |= ways | {"text": [] if "template" in ways else text_columns(task)}
    if columns := choice_columns(task):
        kept["choices"] = columns
    return definition | {"source": kept}


def _check(folder: Path, weights: Path, task: Task, tokenizer: Any, plain: bool) -> None:
    """Make sure that what transformers loads from the folder gives the logits of the weights.

    Raises:
        UserError: if not.
    """
    kind = kind_of(task)
    texts = [list(_TEXTS)] if kind.reads_words else [list(_TEXTS), list(reversed(_TEXTS))]
    rows = tokenizer(
        *texts,
        truncation=True,
        max_length=tokenizer.model_max_length,
        padding=True,
        return_tensors="pt",
    )
    encoder = AutoModel.from_pretrained(weights, dtype=torch.float32).eval()
    head = make_head(kind, encoder.config).eval()
    head.load_state_dict(load_file(weights / "heads.safetensors"))
    # Its own code is ours, in the folder that was just written.
    make: Any = AutoModelForSequenceClassification
    if kind.reads_words:
        make = AutoModelForTokenClassification
    elif kind.sequences > 1:
        make = AutoModelForMultipleChoice
    loaded = make.from_pretrained(folder, trust_remote_code=not plain).eval()
    with torch.inference_mode():
        (hidden,) = hidden_states(encoder, rows, [layer_to_read(encoder, task.head_layer)])
        expected = head(hidden if kind.reads_words else hidden[:, 0])
        if kind.sequences > 1:  # then the texts are choices of one row
            rows, expected = {name: ids[None] for name, ids in rows.items()}, expected.T
        apart = float((loaded(**rows).logits - expected).abs().max())
    if not apart <= _TOLERANCE:
        raise UserError(
            f"Export a model of another encoder: what transformers loads of this one gives other "
            f"logits (by {apart:.1g})."
        )


@contextmanager
def _removed_if_it_fails(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def without_bars() -> Iterator[None]:
    """Silence transformers: its lists of weights that are not used, and its bars."""
    has_bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with quiet_transformers():
            yield
    finally:
        if has_bars:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
