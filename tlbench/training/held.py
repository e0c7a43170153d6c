"""Ends a training whose stage another process has taken over."""

import time
from typing import Any

import pytorch_lightning as pl

from tlbench.store import claims
from tlbench.store.claims import Claim


class WhileHeld(pl.Callback):
    """Checks the claim on the stage, every few seconds and before any file is written.

    It must come before the callbacks that write, among the trainer's. If the claim is lost, it
    ends the training with a ``ClaimLostError``.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._checked_at = time.monotonic()

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        # Not at every batch: the claim lies on a shared file system, where a look takes time.
        if time.monotonic() - self._checked_at > claims.HEARTBEAT:
            self._check(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._check(trainer)

    def on_save_checkpoint(self, trainer: pl.Trainer, *_: Any) -> None:
        self._check(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._check(trainer)

    def _check(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:  # the other ranks write nothing, and end with this one
            self.claim.check()
        self._checked_at = time.monotonic()
