"""The checkpoint from which an interrupted stage is resumed, at any step, with the same result."""

import logging
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from tlbench.store.work import CHECKPOINT
from tlbench.training.best import BestPerTask
from tlbench.training.module import MultiTaskModule

log = logging.getLogger(__name__)


class LastCheckpoint(pl.Callback):
    """Writes ``last.ckpt``: at intervals, and when the stage is interrupted.

    The state is only ever written as it is between two steps, so it is that of the beginning of the
    next one. If an evaluation is due there and was not finished, ``finish_evaluation`` repeats it.
    An interrupt in the middle of a step, once its weights have begun to change, leaves the previous
    checkpoint.

    Args:
        folder: in which the checkpoint is written.
        steps_per_epoch: gives the position in the epoch, from the step.
        every_steps, every_minutes: the intervals; None for none.
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
        self._written_at = time.monotonic()
        self._random_state: dict[str, Any] = {}  # between the two latest steps
        self._is_between_steps = False
        self._to_restore: list[dict[str, Any]] = []  # by rank

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self._begin(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begin(trainer)  # a stage that is resumed may begin with an evaluation

    def on_before_optimizer_step(self, *_: Any) -> None:
        self._is_between_steps = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        self._note_step_end()
        # If an evaluation follows, its scores belong to the checkpoint: it is written after that.
        if trainer.global_step not in pl_module.eval_steps:
            self._write_if_due(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # An encoder may draw random numbers in evaluation; training must not depend on them, or
        # one that is repeated would change what follows.
        set_random_state(self._random_state)
        self._write_if_due(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        # Any other exception is a failure, which may have left a wrong state in memory. And of
        # several ranks, the others may be at another step.
        interrupted = isinstance(exception, KeyboardInterrupt | SystemExit)
        if interrupted and self._is_between_steps and trainer.world_size == 1:
            self.write(trainer)

    def state_dict(self) -> dict[str, Any]:
        by_rank = [self._random_state]
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            by_rank = [{}] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(by_rank, self._random_state)
        return {"random": by_rank}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._to_restore = state_dict["random"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        set_position(checkpoint["loops"]["fit_loop"], trainer.global_step, self.steps_per_epoch)

    def _begin(self, trainer: pl.Trainer) -> None:
        if self._to_restore:
            # Of a checkpoint of fewer ranks some states serve twice: then bits differ anyway.
            set_random_state(self._to_restore[trainer.global_rank % len(self._to_restore)])
            self._to_restore = []
        if not self._is_between_steps:
            self._note_step_end()

    def _note_step_end(self) -> None:
        # Kept from here: whatever draws numbers before a checkpoint is written (the forward of an
        # interrupted step) is repeated when the stage is resumed.
        self._random_state = random_state()
        self._is_between_steps = True

    def _write_if_due(self, trainer: pl.Trainer) -> None:
        steps, minutes = self.every_steps, self.every_minutes
        due = steps is not None and trainer.global_step % steps == 0
        if minutes is not None:
            late = time.monotonic() - self._written_at >= 60 * minutes
            # The first rank decides: all take part in writing, and their clocks differ.
            due = due or trainer.strategy.broadcast(late)
        if due:
            self.write(trainer)

    def write(self, trainer: pl.Trainer) -> None:
        """Write the checkpoint, at once."""
        draft = self.file.with_suffix(".draft")
        trainer.save_checkpoint(draft)
        if trainer.is_global_zero:
            draft.replace(self.file)  # atomic: a process that is killed leaves a whole one
        self._written_at = time.monotonic()
        log.info("  checkpoint at step %d", trainer.global_step)


def finish_evaluation(trainer: pl.Trainer, best: BestPerTask) -> None:
    """Repeat the evaluation in which a stage was interrupted, if it was, as Lightning's loop would.

    Called when the stage is resumed, before its batches are made: they may depend on the scores.
    """
    module, step = trainer.lightning_module, trainer.global_step
    assert isinstance(module, MultiTaskModule)
    if step not in module.eval_steps or best.has_evaluated(step):
        return
    trainer.validating = True
    trainer.fit_loop.epoch_loop.val_loop.run()
    trainer.training = True
    # Lightning looks for a signal before each batch, so not for one that came in the last.
    if trainer.received_sigterm:
        raise SIGTERMException


def set_position(loop: dict[str, Any], step: int, steps_per_epoch: int) -> None:
    """Set the saved state of Lightning's fit loop to the beginning of ``step``, counted from 0.

    The state that Lightning 2.6 saves depends on the hook from which it is saved, and it resumes
    from each in another way (``TrainingEpochLoop.update_restart_stage``). From this one it resumes
    with the next batch.
    """
    epoch, batch = divmod(step, steps_per_epoch)
    zeros = {"ready": 0, "started": 0, "processed": 0, "completed": 0}
    epochs = {"ready": epoch + 1, "started": epoch + 1, "processed": epoch, "completed": epoch}
    loop["epoch_progress"] = {"total": epochs, "current": dict(epochs)}
    loop["epoch_loop.batch_progress"] = {
        "total": dict.fromkeys(zeros, step) | {"ready": step + 1},
        "current": dict.fromkeys(zeros, batch) | {"ready": batch + 1},
        "is_last_batch": False,
    }
    # Lightning adds one when it resumes in an epoch.
    loop["epoch_loop.state_dict"]["_batches_that_stepped"] = step - 1
    evaluation = {"total": zeros, "current": dict(zeros), "is_last_batch": False}
    loop["epoch_loop.val_loop.batch_progress"] = evaluation


def random_state() -> dict[str, Any]:
    """Return the states of all global generators, as plain data."""
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (name, np.asarray(keys).tolist(), *rest),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Set all global generators to states that ``random_state`` has returned."""
    torch.set_rng_state(state["torch"])
    # A stage may be resumed on another machine, with other GPUs or none.
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    random.setstate(state["python"])
