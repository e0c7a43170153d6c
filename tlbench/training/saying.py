"""Says how far a training is, for whoever shows what this process does."""

from typing import Any

import pytorch_lightning as pl

from tlbench import progress

TRAINING, SCORING = progress.TRAINING


class Saying(pl.Callback):
    """Says the step, and whether it trains or scores.

    Args:
        steps: of the whole training.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._say(TRAINING, trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self._say(TRAINING, trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._say(SCORING, trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._say(TRAINING, trainer)

    def _say(self, phase: str, trainer: pl.Trainer) -> None:
        progress.note(phase=phase, unit="step", step=trainer.global_step, steps=self.steps)
