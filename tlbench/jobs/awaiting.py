"""A job of a sweep that nobody watches: it begins only once what it starts from is finished."""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from tlbench.errors import UserError
from tlbench.records.build import write_failure
from tlbench.store.store import Store

log = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds for which a network file system may hide what another node has written
_POLL = 5.0


@dataclass(frozen=True)
class Awaited:
    """A stage that another job trains, and what is wanted of it; see ``Store.find``."""

    store: Path
    key: str
    title: str
    weights_of: Collection[str]
    cross_fit: bool

    @property
    def is_there(self) -> bool:
        found = Store(self.store).find(self.key, self.weights_of, self.cross_fit)
        return found is not None


@dataclass(frozen=True)
class AwaitingTask:
    """Runs a job's task, unless a stage is missing that another job should have trained.

    It would train that stage itself, as any job does, and so would all that start from it: they
    would wait for one of them, each on a device of its own.

    Attributes:
        task: what Hydra runs.
    """

    task: Callable[[DictConfig], Any]
    awaited: tuple[Awaited, ...]

    def __call__(self, cfg: DictConfig) -> Any:
        began = time.monotonic()
        while missing := [stage for stage in self.awaited if not stage.is_there]:
            if time.monotonic() - began >= PATIENCE:
                raise self._failure(cfg, missing)
            time.sleep(_POLL)
        return self.task(cfg)

    def _failure(self, cfg: DictConfig, missing: list[Awaited]) -> UserError:
        names = ", ".join(f"{stage.title} ({stage.key})" for stage in missing)
        return leave_failure(
            cfg,
            f"{missing[0].store} lacks {names}, which it begins with and another job of this sweep "
            "should have trained; the same command again submits what is missing.",
        )


def leave_failure(cfg: DictConfig, reason: str) -> UserError:
    """Leave a failure in the folder of the job that Hydra runs, as jobs do; return it."""
    log.error("%s", reason)
    write_failure(cfg, reason, Path(HydraConfig.get().runtime.output_dir))
    return UserError(reason)
