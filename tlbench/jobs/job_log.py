"""What a logger is told of a job, and what it has to have."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tlbench.plan.stage import Stage
from tlbench.store.manifest import Manifest

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger


@dataclass(frozen=True)
class RunInfo:
    """What a run is called and filed under.

    Attributes:
        kind: the strategy, or ``stage`` for a job that trains a stage alone.
        tags: kind, tasks, encoder, and those of the key ``tags``.
        config: of the job, as records have it, without the tasks and loggers that are not its own;
            with its folder, its stages' keys and the versions of packages.
        target: the task that the job's score is of; None for a job that trains a stage alone.
        in_sweep: whether it is one of several jobs of a command.
        logger: what the logger is called in the config.
    """

    title: str
    study: str
    kind: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    folder: Path
    target: str | None = None
    in_sweep: bool = False
    logger: str = "wandb"


class JobLog(Protocol):
    """The face of a logger whose constructor takes ``info``, a ``RunInfo``."""

    def lightning(self) -> "Logger":
        """Return the logger for a stage's Trainer."""

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        """Close it, with the final numbers."""


@runtime_checkable
class StageLog(Protocol):
    """What a ``JobLog`` may have beside: then it is told of every stage that its job needs."""

    def stage_begins(self, stage: Stage, role: str) -> None:
        """Take in that a stage is trained now; ``role`` begins the names of its curves."""

    def stage_ends(
        self, stage: Stage, role: str, folder: Path, manifest: Manifest, trained: bool
    ) -> None:
        """Take in that a stage is finished, in a folder of the store; more than once, maybe.

        Args:
            manifest: its ``stage.json``.
            trained: whether the job has trained it; else it was there.
        """
