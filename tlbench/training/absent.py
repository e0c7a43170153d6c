"""Says where most tasks are absent from most batches, so that a method has little to weigh."""

import logging

import numpy as np

from tlbench.methods.gradients import GradientMethod
from tlbench.methods.stage import method_of
from tlbench.training.datamodule import MultiTaskDataModule

log = logging.getLogger(__name__)

_HALF = 0.5


def say_absent(data: MultiTaskDataModule) -> None:
    """Say so once for a stage whose method weighs gradients, by its first epoch.

    Args:
        data: after ``setup``.
    """
    tasks = data.stage.tasks
    if not isinstance(method_of(data.config.method, tasks), GradientMethod):
        return
    batches = data.schedule.mixer.plan(0)
    present = float(np.mean([sum(len(data.groups[at].tasks) for at, _ in b) for b in batches]))
    if present < _HALF * len(tasks):
        log.info(
            "  a batch has rows of %.1f of the %d tasks, and a method weighs only these: "
            "a larger batch_size, or sampling=uniform, brings more of them together",
            present,
            len(tasks),
        )
