"""Trains one stage with Lightning and writes what it found into a folder.

A stage that was interrupted and has left a checkpoint in the folder goes on from there.
"""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import Logger
from tqdm.contrib.logging import logging_redirect_tqdm
from transformers.utils.logging import disable_progress_bar

from tlbench.config.schema import TrainerConfig
from tlbench.console import wants_progress_bars
from tlbench.models import adapters
from tlbench.models.encoder import load_encoder
from tlbench.models.features import Kernels, preferred
from tlbench.models.layers import freeze_above
from tlbench.models.multitask import MultiTaskModel
from tlbench.models.probe import try_encoder
from tlbench.models.trainable import train_biases_only, train_top_only
from tlbench.plan import encoder_files
from tlbench.plan.stage import Stage
from tlbench.plan.train_stage import TrainStage
from tlbench.progress import doing
from tlbench.store.store import CHECKPOINT
from tlbench.training import checkpoint_io, ddp, last_checkpoint, malloc, memory, predictions
from tlbench.training.absent import say_absent
from tlbench.training.best import BestPerTask
from tlbench.training.conditions import Conditions, using_threads
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.held import WhileHeld
from tlbench.training.look import look
from tlbench.training.module import MultiTaskModule
from tlbench.training.row_changes import row_change
from tlbench.training.saying import Saying
from tlbench.training.terms import terms_of

# Their notes on hardware and products; what matters is in our own lines and in the record.
for name in ("pytorch_lightning", "lightning_fabric"):
    logging.getLogger(name).setLevel(logging.WARNING)
_WORTH_COMPILING = 2000  # steps
disable_progress_bar()  # type: ignore[no-untyped-call]


def train_stage(run: StageContext, loggers: Sequence[Logger] | None) -> dict[str, Any]:
    """Train a stage; write predictions and wanted weights into its folder.

    Returns:
        What ``stage.json`` holds beside the stage's fingerprint: scores, history, costs, the
        conditions under which it was trained (``resumed_under``: where others took over), what
        computed the features (``kernels``, see ``tlbench.models.features``), and why it has
        diverged, if it has: then no task of it has a score.

    Raises:
        UserError: if the devices that are asked for are not there, the encoder can't be trained, or
            a device is out of memory and the batches can't be made smaller.
    """
    began = time.time()
    encoder_files.check_unchanged(run.stage.config.encoder)
    devices = ddp.count_devices(run.stage.config.trainer)
    with doing("trying the encoder"):
        kernels = choose_kernels(run.stage)
    data = _data(run)
    data.setup()  # before there are other ranks, which then find the rows tokenised
    with doing("looking at the rows"):
        seen = look(data)
    say_absent(data)
    checkpoint = checkpoint_io.usable(run)
    threads = using_threads(run.stage.config.trainer.threads)
    with ddp.others(devices, _train_as_other, run, kernels, devices, checkpoint), threads:
        trainer, module, best, conditions = _train(run, kernels, data, loggers, devices, checkpoint)
    best.finish()
    for left in run.folder.glob(f"{Path(CHECKPOINT).stem}.*"):  # a half-written one is no result
        left.unlink()
    for task in module.model.tasks:
        fit = None if best.cross_fits is None else best.cross_fits[task.name]
        predictions.write_predictions(run.folder, task, best.best[task.name].splits, fit)
    return {
        "tasks": {
            task.name: predictions.task_entry(data, task, best) | {"data": seen[task.name]}
            for task in module.model.tasks
        },
        "diverged": best.diverged,
        "history": best.history,
        "shares": data.shares_of_tasks(),
        "steps": trainer.global_step,
        "instances": module.instances,
        "passes": module.passes,
        **module.balance.manifest(),
        "seconds": round(module.seconds + time.time() - began, 2),
        **conditions.entry(),
        "micro_batch_size": module.training_forwards.rows,
        "out_of_memory": module.out_of_memory,
        "kernels": kernels.features,
        "weights": sorted(run.weights_of),
        "selections": best.selections,
    }


def _data(run: StageContext) -> MultiTaskDataModule:
    assert isinstance(run.stage, TrainStage)
    return MultiTaskDataModule(run.stage, run.single_task_scores, row_change(run))


def choose_kernels(stage: Stage) -> Kernels:
    """The cheapest kernels that a stage may use and that give the features that its heads read.

    Raises:
        UserError: if the encoder can't be trained as the config says, whatever the kernels.
    """
    config = stage.config
    on_cuda = ddp.on_cuda(config.trainer)
    # What is compiled is the encoder's own forward; on a CPU only where it is asked for.
    compiled = is_compiled(config.trainer, steps=0)
    kernels = try_encoder(
        config.encoder,
        preferred(config.fast_kernels, on_cuda, compiled),
        [subset.task.head_layer for subset in stage.subsets],
    )
    malloc.return_freed()  # of what was tried
    return kernels


def _train_as_other(
    run: StageContext, kernels: Kernels, devices: int, checkpoint: Path | None
) -> None:
    """What the ranks beside the first do: train in step with it, and write nothing."""
    with using_threads(run.stage.config.trainer.threads):
        _train(
            run,
            kernels,
            _data(run),
            None,
            devices,
            checkpoint,
        )


def _train(
    run: StageContext,
    kernels: Kernels,
    data: MultiTaskDataModule,
    loggers: Sequence[Logger] | None,
    devices: int,
    checkpoint: Path | None,
) -> tuple[pl.Trainer, MultiTaskModule, BestPerTask, Conditions]:
    config = run.stage.config
    if not ddp.on_cuda(config.trainer):
        malloc.keep_freed()
    pl.seed_everything(config.seed, workers=True, verbose=False)
    data.setup()
    schedule = data.schedule
    model = _model(run, kernels)
    for kind, rows in zip(model.kinds, data.train, strict=True):
        kind.see_train(rows.used_labels)
    if is_compiled(config.trainer, schedule.steps):
        model.encoder.compile()
    module = MultiTaskModule(
        model, config, data.evaluated, run.role, schedule.steps, schedule.evaluations
    )
    best = BestPerTask(run, data.tokenizer)
    t = config.trainer
    last = last_checkpoint.LastCheckpoint(
        run.folder, schedule.mixer.steps(), t.checkpoint_steps, t.checkpoint_minutes
    )
    held = [WhileHeld(run.claim)] if run.claim else []
    conditions = Conditions(config)
    callbacks = [*held, best, last, conditions, Saying(schedule.steps)]
    trainer = make_trainer(run.stage, schedule.steps, devices, loggers, callbacks)
    data.before_batches = partial(last_checkpoint.finish_evaluation, trainer, best)
    _fit(trainer, module, data, checkpoint)
    return trainer, module, best, conditions


def is_compiled(trainer: TrainerConfig, steps: int) -> bool:
    """``trainer.compile``; ``auto`` on a GPU, if there are steps enough to earn it back."""
    if trainer.compile == "auto":
        return ddp.on_cuda(trainer) and steps >= _WORTH_COMPILING
    return str(trainer.compile).lower() == "true"


def _model(run: StageContext, kernels: Kernels) -> MultiTaskModel:
    config, start = run.stage.config, run.start
    tasks = [subset.task for subset in run.stage.subsets]
    encoder = load_encoder(config.encoder, start)
    model = MultiTaskModel(encoder, tasks, config.heads, config.encoder)
    adapters.inject(model.encoder, config.encoder.adapter)
    model.use(kernels)
    model.terms.extend(terms_of(config, tasks, model.encoder.config.hidden_size))
    if config.trainable == "heads":
        model.freeze_encoder()
    elif config.trainable == "bias":
        train_biases_only(model.encoder)
    elif config.trainable == "top":
        train_top_only(model.encoder, config.trainable_layers, max(model.layers))
    freeze_above(model.encoder, max(model.layers))
    if start is not None and run.stage.start is not None:
        (task,) = (
            subset.task
            for subset in run.stage.start.stage.subsets
            if subset.name == run.stage.start.weights_of
        )
        model.load_head(task, start / "heads.safetensors")
    return model


def _fit(
    trainer: pl.Trainer,
    module: MultiTaskModule,
    data: MultiTaskDataModule,
    checkpoint: Path | None,
) -> None:
    # A line that is logged would overwrite a bar, and stay beside what is left of it.
    has_bar = trainer.progress_bar_callback is not None
    lines = logging_redirect_tqdm() if has_bar else nullcontext()
    with without_notes(), lines, memory.named():
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)


@contextmanager
def without_notes() -> Iterator[None]:
    """Keep Lightning's notes on what is meant as it is off the screen."""
    with warnings.catch_warnings():
        for message in (
            ".*does not have many workers.*",  # num_workers is the user's choice
            ".*smaller than the logging interval.*",
            ".*LeafSpec.*",  # Lightning's own use of torch
            ".*dataloader is not resumable.*",  # its sampler skips what was done
            r".*module\(s\) in eval mode.*",  # a frozen encoder
            ".*sync_dist=True.*",  # every rank has evaluated all rows
        ):
            warnings.filterwarnings("ignore", message=message)
        yield


def make_trainer(
    stage: Stage,
    total: int,
    devices: int,
    loggers: Sequence[Logger] | None,
    callbacks: list[pl.Callback],
) -> pl.Trainer:
    """Return Lightning's trainer as a stage's config has it.

    Args:
        stage: that is trained, or scored.
        total: optimizer steps.
        devices: how many ranks there are.
        loggers: of Lightning's.
        callbacks: ours.
    """
    t = stage.config.trainer
    bar = wants_progress_bars(t.progress_bar)
    callbacks = [*callbacks, *([TQDMProgressBar()] if bar else [])]
    if devices > 1:
        callbacks.append(ddp.StopAtSigterm())
    return pl.Trainer(
        max_epochs=t.max_epochs,
        max_steps=total,
        accelerator=t.accelerator,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        # Ours alone say what the ranks are, and the cluster's launcher what is requeued.
        plugins=[LightningEnvironment(), checkpoint_io.WriteInPlace()],
        precision=t.precision,
        logger=list(loggers or ()) or False,
        callbacks=callbacks,
        enable_progress_bar=bar,
        enable_checkpointing=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=max(1, min(10, total // 10)),
        deterministic="warn",
        use_distributed_sampler=False,
    )
