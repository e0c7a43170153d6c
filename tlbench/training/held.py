"""Ends a training whose stage another process has taken over."""

import time
from typing import Any

import pytorch_lightning as pl

from tlbench.store import claims
from tlbench.store.claims import Claim


class WhileHeld(pl.Callback):
    """Looks whether the claim on the stage is still held: every few seconds, and before files.

    To be called before the callbacks that write any.

    Raises:
        ClaimLostError: in the training, if it is not.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._looked = time.monotonic()

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if time.monotonic() - self._looked > claims.HEARTBEAT:
            self._look(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer)

    def on_save_checkpoint(self, trainer: pl.Trainer, *_: Any) -> None:
        self._look(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer)

    def _look(self, trainer: pl.Trainer) -> None:
        if trainer.is_global_zero:  # the others write nothing, and end with it
            self.claim.check()
        self._looked = time.monotonic()
