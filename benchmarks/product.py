"""tlbench as its users run it, and its model alone in the yardstick's loop."""

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
from benchmarks.watch import Watch
from benchmarks.workload import Case
from tlbench.data.batch import Batch
from tlbench.jobs import loggers
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.stage import TrainStage
from tlbench.plan.weights import kept
from tlbench.training import malloc, train
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.train import choose_kernels


def train_stage(case: Case, watch: Watch) -> None:
    """``train.train_stage`` with its loggers and callbacks, and one that looks on."""
    stage = prepare.stage(case, *case.product)
    folder = _folder(case, "stage")
    log = loggers.open_logs(stage.config.logger, _job(stage, folder))
    make = train._trainer

    def watched(*arguments: Any) -> pl.Trainer:
        trainer = make(*arguments)
        trainer.callbacks.append(_OnLooker(watch))  # type: ignore[attr-defined]
        trainer.profiler = _Waiting(watch)  # type: ignore[attr-defined]
        return trainer

    try:
        with patch.object(train, "_trainer", watched):
            weights_of = kept([stage], stage)[stage.key]
            run = StageContext(stage, "target", folder, weights_of=weights_of)
            train.train_stage(run, log.lightning())
    finally:
        log.finish({}, failed=False)


def own_kernels(case: Case, watch: Watch) -> None:
    """tlbench's model and batches, ready on the device, in the yardstick's loop.

    What Lightning, logging, bookkeeping and data cost is the difference to ``train_stage``.
    """
    _bare(case, watch, _Loss)


def two_forwards(case: Case, watch: Watch) -> None:
    """The same with an encoder forward for each task, on its rows padded among themselves."""
    _bare(case, watch, _LossByTask)


class _OnLooker(pl.Callback):
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


class _Waiting(PassThroughProfiler):
    """Told by Lightning when it asks for a batch, and when it has got it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def start(self, action_name: str) -> None:
        if action_name.endswith(".train_dataloader_next"):
            self.open = self.watch.waiting()
            self.open.__enter__()

    def stop(self, action_name: str) -> None:
        if action_name.endswith(".train_dataloader_next"):
            self.open.__exit__(None, None, None)


@dataclass(frozen=True)
class _Ready:
    """A batch of tlbench's that is on the device already, whole and by task."""

    batch: Batch
    by_task: list[Batch]

    @property
    def inputs(self) -> dict[str, Tensor]:
        return self.batch.inputs

    def to(self, device: str) -> "_Ready":
        return self


class _Loss(nn.Module):
    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ready: _Ready) -> Tensor:
        return self.model.loss(ready.batch)


class _LossByTask(_Loss):
    def forward(self, ready: _Ready) -> Tensor:
        return torch.stack([self.model.loss(part) for part in ready.by_task]).sum()


def _bare(case: Case, watch: Watch, loss: type[_Loss]) -> None:
    malloc.keep_freed()
    stage = prepare.stage(case, *case.product)
    pl.seed_everything(case.seed, verbose=False)
    ready = list(islice(_ready(stage, case.device), case.all_steps))
    kernels = choose_kernels(stage.config)
    model = train._model(StageContext(stage, "target", _folder(case, "bare")), kernels)
    settings = prepare.settings(case, stage)
    bare_loop.fit(loss(model), watch.timed(ready), settings, watch.after_step)


def _ready(stage: TrainStage, device: str) -> Iterator[_Ready]:
    """The batches that training gets, epoch after epoch."""
    data = MultiTaskDataModule(stage)
    data.setup()
    loader = data.train_dataloader()
    for epoch in count():
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in loader:
            here = _on(batch, device)
            yield _Ready(here, list(_by_task(here)))


def _on(batch: Batch, device: str) -> Batch:
    inputs = {name: values.to(device) for name, values in batch.inputs.items()}
    labels, weights = batch.label_bits.to(device), batch.weights.to(device)
    return batch._replace(inputs=inputs, label_bits=labels, weights=weights)


def _by_task(batch: Batch) -> Iterator[Batch]:
    low = 0
    for task, rows in enumerate(batch.counts):
        if rows:
            part = slice(low, low + rows)
            longest = int(batch.inputs["attention_mask"][part].sum(1).max())
            yield batch._replace(
                inputs={name: values[part, :longest] for name, values in batch.inputs.items()},
                label_bits=batch.label_bits[part],
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
