"""The conditions under which a stage is trained: not part of its key, though each changes bits."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch

from tlbench.config.schema import Config
from tlbench.data.micro_batches import rows_of_forward
from tlbench.records.provenance import package_versions
from tlbench.records.record import IN_EFFECT

log = logging.getLogger(__name__)


class Conditions(pl.Callback):
    """Records the conditions in effect, and what has changed when a stage is resumed.

    Attributes:
        now: by name.
        changed: for every time that the stage was resumed under others: the step, and by name
            [before, now].
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.now: dict[str, Any] = {}
        self.changed: list[dict[str, Any]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        c, device = self.config, trainer.strategy.root_device
        is_cuda = device.type == "cuda"
        self.now = {
            "device": torch.cuda.get_device_name(device) if is_cuda else device.type,
            "devices": trainer.world_size,
            "threads": torch.get_num_threads(),
            "precision": trainer.precision,  # in effect: Lightning makes bf16 of 16 bits on a CPU
            "micro_batch_size": rows_of_forward(c),
            "micro_batch_tokens": c.micro_batch_tokens,
            "eval_batch_size": c.eval_batch_size,
            **package_versions(),
        }

    def state_dict(self) -> dict[str, Any]:
        return {"now": self.now, "changed": self.changed}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        # A checkpoint of a version before there were conditions holds none.
        unknown: dict[str, Any] = {"now": {}, "changed": []}
        saved = checkpoint["callbacks"].get(self.state_key, unknown)
        self.changed = saved["changed"]
        names = saved["now"] | self.now
        pairs = {name: [saved["now"].get(name), self.now.get(name)] for name in names}
        differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        if not differing:
            return
        self.changed = [*self.changed, {"step": checkpoint["global_step"], "changed": differing}]
        if trainer.is_global_zero:
            log.warning(
                "  going on under other conditions than before, so not to the same result bit for "
                "bit: %s",
                ", ".join(f"{name} {was}, now {now}" for name, (was, now) in differing.items()),
            )

    def entry(self) -> dict[str, Any]:
        """Return what ``stage.json`` holds of them."""
        # The versions of packages are in a stage's manifest already, under ``versions``.
        return {name: self.now[name] for name in IN_EFFECT} | {"resumed_under": self.changed}


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Have torch use that many threads in this process, until the end; None: as many as before."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)
