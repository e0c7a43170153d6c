"""Contenders of tlbench: as its users run it, and its model alone in the yardstick's loop."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import PassThroughProfiler
from torch import Tensor, nn

from benchmarks import bare_loop, prepare
from benchmarks.bare import in_precision
from benchmarks.watch import Watch
from benchmarks.workload import Case
from tlbench.data.batch import Batch
from tlbench.jobs import loggers
from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.train_stage import TrainStage
from tlbench.plan.weights import kept
from tlbench.training import malloc, train
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.train import choose_kernels


def train_stage(case: Case, watch: Watch) -> None:
    """Train by ``tlbench.training.train.train_stage``, with its loggers and callbacks."""
    stage = prepare.stage(case, *case.product)
    folder = _folder(case, "stage")
    log = loggers.open_logs(stage.config.logger, _job(stage, folder))

    # tlbench makes its Trainer itself, so what watches it is put in by a subclass.
    class WatchedTrainer(pl.Trainer):
        def __init__(self, callbacks: list[pl.Callback], **options: Any) -> None:
            callbacks = [*callbacks, _StepCounter(watch)]
            super().__init__(callbacks=callbacks, profiler=_DataProfiler(watch), **options)

    try:
        with patch.object(pl, "Trainer", WatchedTrainer):
            weights_of = kept([stage], stage)[stage.key]
            context = StageContext(stage, "target", folder, weights_of=weights_of)
            train.train_stage(context, log.lightning())
    finally:
        log.finish({}, failed=False)


def own_kernels(case: Case, watch: Watch) -> None:
    """Train tlbench's model on its batches, on the device already, in the yardstick's loop.

    The difference to ``train_stage`` is what Lightning, logging, bookkeeping and data cost.
    """
    _train_bare(case, watch, Loss)


def two_forwards(case: Case, watch: Watch) -> None:
    """Do the same with an encoder forward for each task, on its rows padded among themselves."""
    _train_bare(case, watch, LossByTask)


class _StepCounter(pl.Callback):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        self.watch.after_step(batch.inputs["attention_mask"])


class _DataProfiler(PassThroughProfiler):
    """Measures the time between Lightning's request for a batch and its arrival."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def start(self, action_name: str) -> None:
        if action_name.endswith(".train_dataloader_next"):
            self.waiting = self.watch.waiting()
            self.waiting.__enter__()

    def stop(self, action_name: str) -> None:
        if action_name.endswith(".train_dataloader_next"):
            self.waiting.__exit__(None, None, None)


@dataclass(frozen=True)
class ReadyBatch:
    """A batch of tlbench's that is on the device already, whole and by task."""

    batch: Batch
    by_task: list[Batch]

    @property
    def inputs(self) -> dict[str, Tensor]:
        return self.batch.inputs

    def to(self, device: str) -> "ReadyBatch":
        return self


class Loss(nn.Module):
    """The loss of a batch from one encoder forward."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ready: ReadyBatch) -> Tensor:
        return self.model.loss(ready.batch)


class LossByTask(Loss):
    """The same loss from a forward for each task."""

    def forward(self, ready: ReadyBatch) -> Tensor:
        return torch.stack([self.model.loss(part) for part in ready.by_task]).sum()


def _train_bare(case: Case, watch: Watch, loss: type[Loss]) -> None:
    malloc.keep_freed()  # as tlbench does before it trains
    stage = prepare.stage(case, *case.product)
    pl.seed_everything(case.seed, verbose=False)
    # All made before the clock starts: what is measured is the model.
    batches = list(islice(ready_batches(stage, case.device), case.all_steps))
    model = build_model(stage, choose_kernels(stage))
    settings = prepare.settings(case, stage)
    with in_precision(case):
        bare_loop.fit(loss(model), watch.timed(batches), settings, watch.after_step)


def build_model(stage: TrainStage, kernels: Kernels) -> MultiTaskModel:
    """Return tlbench's model of a stage that starts from the pretrained encoder."""
    tasks = [draw.task for draw in stage.subsets]
    model = MultiTaskModel(load_encoder(stage.config.encoder), tasks, stage.config.heads)
    model.use(kernels)
    return model


def ready_batches(stage: TrainStage, device: str) -> Iterator[ReadyBatch]:
    """Yield the batches that training gets, epoch after epoch."""
    data = MultiTaskDataModule(stage)
    data.setup()
    loader = data.train_dataloader()
    for epoch in count():
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in loader:
            moved = _move(batch, device)
            yield ReadyBatch(moved, list(_by_task(moved)))


def _move(batch: Batch, device: str) -> Batch:
    inputs = {name: values.to(device) for name, values in batch.inputs.items()}
    labels = tuple(of_task.to(device) for of_task in batch.label_bits)
    return batch._replace(inputs=inputs, label_bits=labels, weights=batch.weights.to(device))


def _by_task(batch: Batch) -> Iterator[Batch]:
    """Yield the rows of each task as a batch, without the padding that only the others need."""
    low = 0
    for task, rows in enumerate(batch.counts):
        if rows:
            part = slice(low, low + rows)
            longest = int(batch.inputs["attention_mask"][part].sum(1).max())
            yield batch._replace(
                inputs={name: values[part, :longest] for name, values in batch.inputs.items()},
                label_bits=tuple(
                    of_task if t == task else of_task[:0]
                    for t, of_task in enumerate(batch.label_bits)
                ),
                counts=tuple(rows if t == task else 0 for t in range(len(batch.counts))),
                weights=batch.weights[part],
                ids=batch.ids[part],
            )
        low += rows


def _folder(case: Case, name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=name, dir=case.folder))


def _job(stage: TrainStage, folder: Path) -> loggers.RunInfo:
    return loggers.RunInfo(
        stage.title, "benchmark", "stage", stage.tasks, asdict(stage.config), folder
    )
