"""Trains one stage with Lightning and writes what it found into a folder."""

import logging
import time
import warnings
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
from tlbench.model.best import Best, BestPerTask
from tlbench.model.encoder import load_encoder
from tlbench.model.module import MultiTaskModule
from tlbench.model.multitask import MultiTaskModel
from tlbench.stage import Stage

# Their notes on hardware and products; what matters is in our own lines and in the record.
for name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)
disable_progress_bar()  # type: ignore[no-untyped-call]


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
    pl.seed_everything(stage.config.seed, workers=True, verbose=False)
    data = MultiTaskDataModule(stage)
    data.setup()
    model = _model(stage, start)
    total = data.schedule.steps
    module = MultiTaskModule(
        model, stage.config, data.evaluated, role, total, data.schedule.evaluations
    )
    best = BestPerTask(stage, folder, data.tokenizer, weights_needed)
    trainer = _trainer(stage, total, logger, best)
    _fit(trainer, module, data)
    for task in model.tasks:
        _write_predictions(folder, task, best.best[task.name])
    return {
        "tasks": {task.name: _task_entry(data, task, best) for task in model.tasks},
        "history": best.history,
        "steps": trainer.global_step,
        "instances": module.instances,
        "seconds": round(time.time() - began, 2),
        "device": _device_name(trainer),
        "weights": list(stage.tasks) if best.keeps_weights else [],
    }


def _model(stage: Stage, start: Path | None) -> MultiTaskModel:
    config = stage.config
    tasks = [draw.task for draw in stage.draws]
    model = MultiTaskModel(load_encoder(config.encoder, start), tasks, config.heads)
    if start is not None and stage.start is not None:
        model.load_head(stage.start.draws[0].task, start / "heads.safetensors")
    return model


def _fit(trainer: pl.Trainer, module: MultiTaskModule, data: MultiTaskDataModule) -> None:
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # num_workers is the user's choice
            ".*smaller than the logging interval.*",
            ".*LeafSpec.*",  # Lightning's own use of torch
        ):
            warnings.filterwarnings("ignore", message=message)
        trainer.fit(module, datamodule=data)


def _trainer(stage: Stage, total: int, logger: Logger | None, best: BestPerTask) -> pl.Trainer:
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
