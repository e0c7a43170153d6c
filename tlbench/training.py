"""Trains one stage with Lightning and writes what it found into a folder."""

import logging
import math
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import Logger
from transformers.utils.logging import disable_progress_bar

from tlbench import progress
from tlbench.config import Task
from tlbench.data.datamodule import MultiTaskDataModule
from tlbench.model import metrics
from tlbench.model.encoder import load_encoder
from tlbench.model.module import Evaluation, MultiTaskModule
from tlbench.model.multitask import MultiTaskModel
from tlbench.stage import Stage

log = logging.getLogger(__name__)

# Their notes on hardware and products; what matters is in our own lines and in the record.
for name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)
disable_progress_bar()  # type: ignore[no-untyped-call]


@dataclass
class Best:
    """A task's best evaluation so far: at which step, and of each of its splits."""

    score: float = -math.inf
    step: int = 0
    splits: dict[str, Evaluation] = field(default_factory=dict)


class BestPerTask(pl.Callback):
    """Keeps every task's best evaluation, its weights if wanted, and stops early if asked.

    Attributes:
        best: by task name.
        history: every evaluation: step, and by task and split the metrics.
    """

    def __init__(self, stage: Stage, folder: Path, tokenizer: Any, needed: bool) -> None:
        self.best = {name: Best() for name in stage.tasks}
        self.history: list[dict[str, Any]] = []
        self.folder = folder
        self.tokenizer = tokenizer
        keep = stage.config.keep_weights
        wanted = keep == "all" or (keep == "needed" and stage.may_start_another)
        self.keeps_weights = wanted or needed
        self.patience = stage.config.trainer.early_stopping
        self.selecting = "held_out" if stage.config.selection == "held_out" else "dev"
        self._in_vain = 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        by_task: dict[str, dict[str, Evaluation]] = {name: {} for name in self.best}
        for rows, evaluation in zip(pl_module.evaluated, pl_module.evaluations, strict=True):
            by_task[rows.task.name][rows.split] = evaluation
        found = {
            task: {name: e.found for name, e in splits.items()} for task, splits in by_task.items()
        }
        self.history.append({"step": trainer.global_step, "tasks": found})
        improved = [task for task, splits in by_task.items() if self._improves(task, splits)]
        for task in improved:
            score = by_task[task][self.selecting].found["score"]
            # A first score that is not defined counts as the worst, so that there is a best.
            score = -math.inf if math.isnan(score) else score
            self.best[task] = Best(score, trainer.global_step, by_task[task])
            if self.keeps_weights:
                self._save(pl_module.model, task)
        self._in_vain = 0 if improved else self._in_vain + 1
        if self.patience and self._in_vain >= self.patience:
            trainer.should_stop = True
        self._say(trainer, pl_module)

    def _save(self, model: MultiTaskModel, name: str) -> None:
        """Encoder and tokenizer as ``save_pretrained`` writes them, and ``heads.safetensors``."""
        folder = self.folder / "weights" / name
        model.encoder.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        (task,) = (task for task in model.tasks if task.name == name)
        model.save_head(task, folder / "heads.safetensors")

    def _improves(self, task: str, splits: dict[str, Evaluation]) -> bool:
        best = self.best[task]
        return not best.splits or splits[self.selecting].found["score"] > best.score

    def _say(self, trainer: pl.Trainer, module: MultiTaskModule) -> None:
        scores = [
            f"{task} {100 * splits[self.selecting]['score']:.1f}"
            for task, splits in self.history[-1]["tasks"].items()
        ]
        log.info(
            "  %s step %d/%d  %s",
            module.role, trainer.global_step, module.total_steps, "  ".join(scores),
        )  # fmt: skip


def train_stage(
    stage: Stage,
    role: str,
    folder: Path,
    start: Path | None,
    logger: Logger | None,
    weights_needed: bool = False,
) -> dict[str, Any]:
    """Train a stage; write predictions and wanted weights into ``folder``.

    Args:
        role: ``support`` or ``target``: the prefix of what is logged.
        start: the folder of the weights to start from, for a stage with a start.
        weights_needed: keep the best weights whatever ``keep_weights`` says.

    Returns:
        What ``stage.json`` holds beside the stage's ingredients: scores, history, costs.
    """
    began = time.time()
    config = stage.config
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data = MultiTaskDataModule(stage)
    data.setup()
    tasks = [draw.task for draw in stage.draws]
    model = MultiTaskModel(load_encoder(config.encoder, start), tasks, config.heads)
    if start is not None and stage.start is not None:
        model.load_head(stage.start.draws[0].task, start / "heads.safetensors")
    total = data.schedule.steps
    module = MultiTaskModule(model, config, data.evaluated, role, total, data.schedule.evaluations)
    best = BestPerTask(stage, folder, data.tokenizer, weights_needed)
    trainer = _trainer(stage, role, total, logger, best)
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # num_workers is the user's choice
            ".*smaller than the logging interval.*",
            ".*LeafSpec.*",  # Lightning's own use of torch
        ):
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(module, datamodule=data)
    for task in tasks:
        _write_predictions(folder, task, best.best[task.name])
    return {
        "tasks": {task.name: _task_entry(data, task, best) for task in tasks},
        "history": best.history,
        "steps": trainer.global_step,
        "instances": module.instances,
        "seconds": round(time.time() - began, 2),
        "device": _device_name(trainer),
        "weights": list(stage.tasks) if best.keeps_weights else [],
    }


def _trainer(
    stage: Stage, role: str, total: int, logger: Logger | None, best: BestPerTask
) -> pl.Trainer:
    t = stage.config.trainer
    bar = TQDMProgressBar() if progress.wanted(t.progress_bar) else None
    return pl.Trainer(
        max_epochs=t.max_epochs,
        max_steps=total,
        accelerator=t.accelerator,
        devices=t.devices,
        precision=t.precision,  # type: ignore[arg-type]
        logger=logger or False,
        callbacks=[best, *([bar] if bar else [])],
        enable_progress_bar=bar is not None,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=max(1, min(10, total // 10)),
        deterministic="warn",
        use_distributed_sampler=False,
    )


def _device_name(trainer: pl.Trainer) -> str:
    device = trainer.strategy.root_device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _task_entry(data: MultiTaskDataModule, task: Task, best: BestPerTask) -> dict[str, Any]:
    mine = best.best[task.name]
    (train,) = (rows for rows in data.train if rows.task is task)
    labels = torch.tensor(train.tokens.data.column("label").to_numpy()[train.used])
    dev = mine.splits["dev"]
    found = {k: v for k, v in dev.found.items() if k != "score"}
    for name, evaluation in mine.splits.items():
        if name.startswith("dev_"):
            extra = name.removeprefix("dev_")
            found |= {f"{k}_{extra}": v for k, v in evaluation.found.items() if k != "score"}
    return {
        "score": dev.found["score"],
        "selected_by": mine.splits[best.selecting].found["score"],
        "metrics": found,
        "majority_score": metrics.majority_score(task, labels, dev.labels),
        "step": mine.step,
        "train_rows": len(train.used),
    }


def _write_predictions(folder: Path, task: Task, best: Best) -> None:
    """One Parquet file for the task: split, row, label, prediction and logits at its best."""
    tables = []
    for name, e in best.splits.items():
        outputs = {f"logit_{i}": e.logits[:, i].numpy() for i in range(e.logits.shape[1])}
        columns = {
            "split": [name] * len(e.ids),
            "row": e.ids.numpy(),
            "label": e.labels.double().numpy(),
            "prediction": metrics.predict(task, e.logits).double().numpy(),
        }
        tables.append(pa.table({**columns, **outputs}))
    file = folder / "predictions" / f"{task.name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(tables), file)
