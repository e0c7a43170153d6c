"""What a user may have meant by a key that there is not."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from tlbench.config.keys import declared
from tlbench.config.schema import Config

# What Hugging Face's and Lightning's trainers, and habit, call our keys.
_SYNONYMS = {
    "accumulate_grad_batches": "micro_batch_size",
    "adapter": "encoder/adapter",
    "bf16": "trainer.precision",
    "dataloader_num_workers": "num_workers",
    "early_stopping_patience": "trainer.early_stopping",
    "epochs": "trainer.max_epochs",
    "eval_steps": "eval_every",
    "fp16": "trainer.precision",
    "gpus": "trainer.devices",
    "gradient_accumulation_steps": "micro_batch_size",
    "gradient_clip_val": "optim.gradient_clip",
    "learning_rate": "optim.lr",
    "lora": "encoder/adapter",
    "lora_alpha": "encoder.adapter.alpha",
    "lora_dropout": "encoder.adapter.dropout",
    "lora_r": "encoder.adapter.r",
    "loss": "method",
    "lr_scheduler": "optim.schedule",
    "lr_scheduler_type": "optim.schedule",
    "max_batch_tokens": "micro_batch_tokens",
    "max_grad_norm": "optim.gradient_clip",
    "max_seq_length": "encoder.max_length",
    "max_train_samples": "subsample_size.target",
    "max_eval_samples": "subsample_size.dev",
    "model": "encoder",
    "model_name_or_path": "encoder.name",
    "num_epochs": "trainer.max_epochs",
    "num_train_epochs": "trainer.max_epochs",
    "output_dir": "study",
    "patience": "trainer.early_stopping",
    "per_device_eval_batch_size": "eval_batch_size",
    "per_device_train_batch_size": "batch_size",
    "project": "logger.wandb.project",
    "entity": "logger.wandb.entity",
    "random_seed": "seed",
    "report_to": "logger",
    "save_steps": "trainer.checkpoint_steps",
    "scheduler": "optim.schedule",
    "task": "target_task",
    "torch_compile": "trainer.compile",
    "train_batch_size": "batch_size",
    "val_check_interval": "eval_every",
    "warmup_ratio": "optim.warmup",
    "warmup_steps": "optim.warmup",
    "weight_decay_rate": "optim.weight_decay",
}
_NO_SOURCE = re.compile(r"Interpolation key 'suite\.sources\.([^'.]+)' not found")
_ALIKE = 0.6  # of difflib's ratio, from 0 to 1


def unknown(name: str, more: Iterable[str] = ()) -> str:
    """Return a sentence about a key that there is not, with the key that may be meant.

    Args:
        name: dotted.
        more: what else might be meant: config groups.
    """
    meant = meant_by(name, more)
    if meant is None:
        return f"Change {name}: there is no such key (docs/guide/configuration.md lists all)."
    key = declared(Config).get(meant)
    doc = f" ({key.doc})" if key else ""
    return f"Change {name}: there is no such key; did you mean {meant}{doc}?"


def lacking_task(reason: str, key: str, suite: Any) -> str | None:
    """Return a sentence about a task of which the chosen suite has no rows; None of another error.

    Args:
        reason: an error of OmegaConf, in which a task names a source of the suite.
        key: that chooses the task.
        suite: the chosen one.
    """
    absent = _NO_SOURCE.search(reason)
    if absent is None or not isinstance(suite, Mapping):
        return None
    has = ", ".join(map(str, suite.get("sources") or {}))
    return (
        f"Change {key}, or suite: suite={suite.get('name')} has no task '{absent[1]}'; it has "
        f"{has}."
    )


def is_synonym(word: str) -> bool:
    """Whether a word is what others call a key of ours."""
    return word in _SYNONYMS


def meant_by(name: str, more: Iterable[str] = ()) -> str | None:
    """Return the key, or the one of ``more``, that is likely meant by a name; None if none is."""
    word = name.rpartition(".")[2]
    if word in _SYNONYMS:
        return _SYNONYMS[word]
    names = [*declared(Config), *{key.partition(".")[0] for key in declared(Config)}, *more]
    same = [key for key in names if key.rpartition(".")[2] == word]
    if same:
        return min(same, key=len)
    close = get_close_matches(name, names, 1, _ALIKE)
    if not close:
        words = {key.rpartition(".")[2]: key for key in names}
        close = [words[found] for found in get_close_matches(word, words, 1, _ALIKE)]
    return close[0] if close else None
