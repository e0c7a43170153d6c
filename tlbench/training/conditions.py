"""Under which conditions a stage is trained. None is in its key, and each changes bits."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch

from tlbench.config.schema import Config
from tlbench.records.provenance import package_versions

log = logging.getLogger(__name__)

_KEPT = ("device", "devices", "threads", "precision", "micro_batch_size")


class Conditions(pl.Callback):
    """Finds the conditions in effect, and notes what has changed where a stage goes on.

    Attributes:
        now: by name.
        changed: of every time that the stage went on under others: the step, and by name what was
            and what is.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.now: dict[str, Any] = {}
        self.changed: list[dict[str, Any]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        c, device = self.config, trainer.strategy.root_device
        cuda = device.type == "cuda"
        self.now = {
            "device": torch.cuda.get_device_name(device) if cuda else device.type,
            "devices": trainer.world_size,
            "threads": torch.get_num_threads(),
            "precision": trainer.precision,
            "micro_batch_size": min(c.micro_batch_size or c.batch_size, c.batch_size),
            "eval_batch_size": c.eval_batch_size,
            **package_versions(),
        }

    def state_dict(self) -> dict[str, Any]:
        return {"now": self.now, "changed": self.changed}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        unknown: dict[str, Any] = {"now": {}, "changed": []}  # of a version that kept none
        before = checkpoint["callbacks"].get(self.state_key, unknown)
        self.changed = before["changed"]
        names = before["now"] | self.now
        pairs = {name: [before["now"].get(name), self.now.get(name)] for name in names}
        changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        if not changed:
            return
        self.changed = [*self.changed, {"step": checkpoint["global_step"], "changed": changed}]
        if trainer.is_global_zero:
            log.warning(
                "  going on under other conditions than before, so not to the same result bit for "
                "bit: %s",
                ", ".join(f"{name} {was}, now {now}" for name, (was, now) in changed.items()),
            )

    def entry(self) -> dict[str, Any]:
        """What ``stage.json`` holds of them."""
        return {name: self.now[name] for name in _KEPT} | {"resumed_under": self.changed}


@contextmanager
def using_threads(count: int | None) -> Iterator[None]:
    """Have torch use so many threads in this process; None: as many as it does."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)
