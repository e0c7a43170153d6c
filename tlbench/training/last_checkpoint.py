"""The checkpoint from which an interrupted stage goes on, at any step, with the same result."""

import logging
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from tlbench.store.store import CHECKPOINT
from tlbench.training.best import BestPerTask
from tlbench.training.module import MultiTaskModule

log = logging.getLogger(__name__)


class LastCheckpoint(pl.Callback):
    """Writes ``last.ckpt``: every so often, and when the stage is interrupted.

    A state is only ever written as it is between two steps, so it stands for the beginning of the
    next one, after an evaluation if one is due: until that is over, ``finish_evaluation`` makes it
    again. An interrupt in the middle of a step, once its weights have begun to change, leaves the
    checkpoint before.

    Args:
        steps_per_epoch: the position in the epoch follows from the step.
        every_steps, every_minutes: how often; None for never.
    """

    def __init__(
        self,
        folder: Path,
        steps_per_epoch: int,
        every_steps: int | None,
        every_minutes: float | None,
    ) -> None:
        self.file = folder / CHECKPOINT
        self.steps_per_epoch = steps_per_epoch
        self.every_steps = every_steps
        self.every_minutes = every_minutes
        self._written = time.monotonic()
        self._random: dict[str, Any] = {}
        self._between_steps = False
        self._restored: list[dict[str, Any]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._begin(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(trainer)  # if this is where a stage goes on

    def on_before_optimizer_step(self, *_: Any) -> None:
        self._between_steps = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        self._reach()
        if trainer.global_step not in pl_module.eval_steps:
            self._write_if_due(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        set_random_state(self._random)  # should an encoder draw in an evaluation, which has no say
        self._write_if_due(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Any other exception is a failure: what it left in memory is not to be gone on with. And
        # the other ranks of several are not known to be at the same step.
        interrupted = isinstance(exception, KeyboardInterrupt | SystemExit)
        if interrupted and self._between_steps and trainer.world_size == 1:
            self._write(trainer)

    def state_dict(self) -> dict[str, Any]:
        ranks = [self._random]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            ranks = [{}] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(ranks, self._random)
        return {"random": ranks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict["random"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        set_position(checkpoint["loops"]["fit_loop"], trainer.global_step, self.steps_per_epoch)

    def _begin(self, trainer: pl.Trainer) -> None:
        if self._restored:
            set_random_state(self._restored[trainer.global_rank % len(self._restored)])
            self._restored = []
        if not self._between_steps:
            self._reach()

    def _reach(self) -> None:
        self._random = random_state()
        self._between_steps = True

    def _write_if_due(self, trainer: pl.Trainer) -> None:
        steps, minutes = self.every_steps, self.every_minutes
        due = steps is not None and trainer.global_step % steps == 0
        if minutes is not None:
            late = time.monotonic() - self._written >= 60 * minutes
            due = due or trainer.strategy.broadcast(late)
        if due:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer) -> None:
        draft = self.file.with_suffix(".draft")
        trainer.save_checkpoint(draft)
        if trainer.is_global_zero:
            draft.replace(self.file)
        self._written = time.monotonic()
        log.info("  checkpoint at step %d", trainer.global_step)


def finish_evaluation(trainer: pl.Trainer, best: BestPerTask) -> None:
    """Make the evaluation in which a stage was interrupted, if it was, as Lightning's loop would.

    Called where the stage goes on, before its batches are made: they may depend on the scores.
    """
    module, step = trainer.lightning_module, trainer.global_step
    assert isinstance(module, MultiTaskModule)
    if step not in module.eval_steps or best.has_evaluated(step):
        return
    trainer.validating = True
    trainer.fit_loop.epoch_loop.val_loop.run()
    trainer.training = True
    if trainer.received_sigterm:  # in the last batch, after which Lightning does not look
        raise SIGTERMException


def set_position(loop: dict[str, Any], step: int, steps_per_epoch: int) -> None:
    """Make the saved state of Lightning's fit loop stand at the beginning of ``step``, from 0.

    As Lightning 2.6 saves it, it depends on the hook, and goes on from each in another way
    (``TrainingEpochLoop.update_restart_stage``); from here it simply goes on.
    """
    epoch, batch = divmod(step, steps_per_epoch)
    none = {"ready": 0, "started": 0, "processed": 0, "completed": 0}
    at_epoch = {"ready": epoch + 1, "started": epoch + 1, "processed": epoch, "completed": epoch}
    loop["epoch_progress"] = {"total": at_epoch, "current": dict(at_epoch)}
    loop["epoch_loop.batch_progress"] = {
        "total": dict.fromkeys(none, step) | {"ready": step + 1},
        "current": dict.fromkeys(none, batch) | {"ready": batch + 1},
        "is_last_batch": False,
    }
    # Lightning adds one when it goes on in an epoch.
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] = step - 1
    evaluation = {"total": none, "current": dict(none), "is_last_batch": False}
    loop["epoch_loop.val_loop.batch_progress"] = evaluation


def random_state() -> dict[str, Any]:
    """The states of all global generators, as plain data."""
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (name, np.asarray(keys).tolist(), *rest),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set all global generators to what ``random_state`` found."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    random.setstate(state["python"])
