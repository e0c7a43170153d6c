"""Contenders with Hugging Face's Trainer: as its example run_glue sets it, and tuned."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    trainer_pt_utils,
)
from transformers.trainer_pt_utils import get_length_grouped_indices
from transformers.utils.import_utils import is_flash_attn_2_available

from benchmarks import bare_loop
from benchmarks.bare_loop import Row, Settings
from benchmarks.watch import Watch
from benchmarks.workload import Case, Work


def as_run_glue(case: Case, watch: Watch) -> None:
    """Train with every row padded to ``max_length``, and Trainer's defaults."""
    _train(case, watch, padded=True, bf16=case.precision == "bf16")


def tuned(case: Case, watch: Watch) -> None:
    """Train with rows grouped by length, padded to the longest of the batch."""
    available = Work.read(case.folder).available
    # Trainer sorts a quarter of the rows at once, 50 batches at most. As it would of the whole
    # task: a quarter of the drawn rows is so few that grouping would do next to nothing.
    group = max(1, min(available // (4 * case.batch_size), 50))
    grouped = partial(get_length_grouped_indices, mega_batch_mult=group)
    options = {"train_sampling_strategy": "group_by_length", "bf16": case.precision == "bf16"}
    with patch.object(trainer_pt_utils, "get_length_grouped_indices", grouped):
        _train(case, watch, padded=False, dataloader_num_workers=case.workers, **options)


class _OneTaskCollator:
    """Pads rows of one task, for a classifier of Transformers."""

    def __init__(self, work: Work, padded: bool) -> None:
        self.pad = work.pad
        self.pad_to = work.max_length if padded else None
        self.dtype = torch.float if work.outputs == [1] else torch.long

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return {
            **_padded(rows, self.pad, self.pad_to),
            "labels": torch.tensor([row["label"] for row in rows], dtype=self.dtype),
        }


class _ManyTasksCollator:
    """Pads rows of several tasks, for the shared encoder of the bare loop."""

    def __init__(self, work: Work, padded: bool) -> None:
        self.tasks = len(work.outputs)
        self.pad = work.pad
        self.pad_to = work.max_length if padded else None

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        # The shared encoder splits a batch by counts, so rows of a task must be side by side.
        rows = sorted(rows, key=lambda row: int(row["task"]))
        tasks = torch.tensor([row["task"] for row in rows])
        return {
            "inputs": _padded(rows, self.pad, self.pad_to),
            "labels": torch.tensor([row["label"] for row in rows], dtype=torch.float),
            "counts": torch.bincount(tasks, minlength=self.tasks).tolist(),
        }


class _SharedEncoder(nn.Module):
    """The bare loop's model, with the signature that Trainer calls."""

    def __init__(self, model: bare_loop.SharedEncoder) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: dict[str, Tensor], labels: Tensor, counts: list[int]
    ) -> dict[str, Tensor]:
        return {"loss": self.model(bare_loop.Batch(inputs, labels, counts))}


class _WatchedTrainer(Trainer):
    """Measures the time that it waits for data; ``mask`` is that of the latest batch."""

    watch: Watch
    mask: Tensor

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Any]:
        with self.watch.waiting():
            return super().get_batch_samples(epoch_iterator, num_batches, device)

    def training_step(self, model: nn.Module, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self.mask = inputs.get("inputs", inputs)["attention_mask"]
        return super().training_step(model, inputs, num_items_in_batch)


class _StepCounter(TrainerCallback):
    def __init__(self, trainer: _WatchedTrainer) -> None:
        self.trainer = trainer

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.trainer.watch.after_step(self.trainer.mask)


def _train(case: Case, watch: Watch, padded: bool, **options: Any) -> None:
    work = Work.read(case.folder)
    # Before the model is made, whose heads are random.
    torch.manual_seed(case.seed)
    many = len(work.outputs) > 1
    trainer = _WatchedTrainer(
        model=_shared(work) if many else _classifier(work, _attention(case, padded)),
        args=_arguments(case, work.settings, options),
        train_dataset=Dataset.from_list([_as_dict(row) for row in work.rows]),
        data_collator=(_ManyTasksCollator if many else _OneTaskCollator)(work, padded),
    )
    trainer.watch = watch
    trainer.add_callback(_StepCounter(trainer))
    trainer.train()


def _arguments(case: Case, settings: Settings, options: Mapping[str, Any]) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(Path(case.folder) / "trainer"),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.lr,
        weight_decay=settings.weight_decay,
        warmup_steps=round(settings.warmup * settings.steps),
        max_grad_norm=settings.clip,
        seed=settings.seed,
        use_cpu=settings.device == "cpu",
        # Trainer drops columns that the model's forward does not name, which the collators need.
        remove_unused_columns=False,
        save_strategy="no",
        disable_tqdm=True,
        **options,
    )


def _as_dict(row: Row) -> dict[str, Any]:
    length = len(row.inputs["input_ids"])
    return {**row.inputs, "task": row.task, "label": row.label, "length": length}


def _padded(rows: Sequence[Mapping[str, Any]], pad: int, pad_to: int | None) -> dict[str, Tensor]:
    names = [name for name in rows[0] if name not in ("task", "label", "length")]
    longest = pad_to or max(len(row["input_ids"]) for row in rows)
    fill = {"input_ids": pad}
    return {
        name: torch.tensor(
            [row[name] + [fill.get(name, 0)] * (longest - len(row[name])) for row in rows]
        )
        for name in names
    }


def _attention(case: Case, padded: bool) -> str:
    """Return the fastest attention that there is for Trainer at its best; else the default."""
    flash = not padded and case.device == "cuda" and case.precision == "bf16"
    return "flash_attention_2" if flash and is_flash_attn_2_available() else "sdpa"


def _classifier(work: Work, attention: str) -> Any:
    auto: Any = AutoModelForSequenceClassification
    options = {"num_labels": work.outputs[0]}
    made = {"dtype": torch.float32, "attn_implementation": attention}
    if work.pretrained:
        return auto.from_pretrained(work.encoder, **made, **options)
    config = AutoConfig.from_pretrained(work.encoder, **options)
    return auto.from_config(config, **made)


def _shared(work: Work) -> _SharedEncoder:
    return _SharedEncoder(bare_loop.SharedEncoder(work.encoder, work.outputs, work.pretrained))
