"""Where a job's curves go: any number of loggers, each of Lightning's or with the face of ours.

Each opens at the start of a job, gives the stages that train a Lightning logger, and is closed in
every case, with the final score, trained or reused. Ours import Lightning only if a stage trains.
"""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from inspect import isclass, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tlbench.config.dotted import imported, lacks, made_by
from tlbench.errors import UserError
from tlbench.jobs.private import PRIVATE_WANDB, without_places
from tlbench.plan.stage import Stage
from tlbench.store.disk import why_not_written
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


class JobLogs:
    """All loggers of a job."""

    def __init__(self, logs: Sequence[JobLog]) -> None:
        self._logs = logs

    def lightning(self) -> "list[Logger]":
        """Return the loggers for a stage's Trainer."""
        return [one.lightning() for one in self._logs]

    def stage_begins(self, stage: Stage, role: str) -> None:
        """Tell those that want to know."""
        for one in self._logs:
            if isinstance(one, StageLog):
                one.stage_begins(stage, role)

    def stage_ends(
        self, stage: Stage, role: str, folder: Path, manifest: Manifest, trained: bool
    ) -> None:
        """Tell those that want to know."""
        for one in self._logs:
            if isinstance(one, StageLog):
                one.stage_ends(stage, role, folder, manifest, trained)

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        """Close them all, also if one of them fails."""
        with ExitStack() as closing:
            for one in self._logs:
                closing.callback(one.finish, summary, failed)


def open_logs(config: dict[str, Any], info: RunInfo) -> JobLogs:
    """Open the loggers of the config group ``logger``.

    Raises:
        UserError: if there is no such logger, or it can't be made with these options.
    """
    opened: list[JobLog] = []
    try:
        for name, options in config.items():
            opened.append(_open(name, options, replace(info, logger=name)))
    except BaseException:
        JobLogs(opened).finish({}, failed=True)
        raise
    return JobLogs(opened)


def _open(name: str, config: Any, info: RunInfo) -> JobLog:
    if not isinstance(config, dict) or "_target_" not in config:
        raise UserError(
            f"Change logger.{name}: a logger is a mapping with its _target_, as in "
            f"logger.wandb.project=my_project."
        )
    target = str(config["_target_"])
    options = {key: value for key, value in config.items() if key != "_target_"}
    make = imported(target, f"logger.{name}._target_")
    if missing := lacks(make) if isclass(make) else []:
        raise UserError(
            f"Change logger.{name}._target_, or the class: '{target}' lacks {', '.join(missing)}."
        )
    takes = made_by(signature, target, f"logger.{name}", make).parameters
    if "info" in takes:
        options["info"] = info
    elif "save_dir" in takes:
        options = {"save_dir": str(info.folder)} | _of_wandb(make) | options
    try:
        made = made_by(make, target, f"logger.{name}", **options)
    except UserError as error:
        if error.__cause__ and why_not_written(error.__cause__):
            raise error.__cause__ from None  # the disk is full: no other logger would help
        raise
    opened: JobLog = made
    if "info" not in takes:  # what it needs may be imported, or asked, only now
        opened = made_by(LightningLog, target, f"logger.{name}", name, made, info)
    return opened


def _of_wandb(make: Any) -> dict[str, Any]:
    """Return with what Lightning's W&B logger opens a run of its own, as private as ours."""
    from pytorch_lightning.loggers import WandbLogger

    if not (isclass(make) and issubclass(make, WandbLogger)):
        return {}
    import wandb

    return {"reinit": "create_new", "settings": wandb.Settings(quiet=True, **PRIVATE_WANDB)}


class LightningLog:
    """Any logger of Lightning's; it gets the config as hyper-parameters, and the final numbers."""

    def __init__(self, name: str, logger: Any, info: RunInfo) -> None:
        from pytorch_lightning.loggers import Logger

        if not isinstance(logger, Logger):
            raise UserError(
                f"Change logger.{name}._target_: '{type(logger).__name__}' is no logger of "
                "Lightning's, and takes no info."
            )
        self._logger = logger
        about = {"title": info.title, "tags": list(info.tags)}
        logger.log_hyperparams(without_places(info.config) | about)

    def lightning(self) -> "Logger":
        return self._logger

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        _finish(self._logger, summary, failed)
        _end_wandb(self._logger)


def _end_wandb(logger: Any) -> None:
    """End the run of Lightning's W&B logger, or the next job of this process would be in it."""
    from pytorch_lightning.loggers import WandbLogger

    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


def _finish(logger: "Logger", summary: dict[str, Any], failed: bool) -> None:
    numbers = {key: value for key, value in summary.items() if isinstance(value, int | float)}
    logger.log_metrics(numbers)
    logger.finalize("failed" if failed else "success")


class CsvLog:
    """``metrics.csv`` in the job's folder; of a job that was cut off before, ``metrics-1.csv``."""

    def __init__(self, info: RunInfo) -> None:
        self.folder = info.folder
        self._logger: Logger | None = None

    def _make(self) -> "Logger":
        from pytorch_lightning.loggers import CSVLogger

        file = self.folder / "metrics.csv"
        if file.exists():  # the logger would delete it
            number = len(list(self.folder.glob("metrics-*.csv"))) + 1
            file.rename(self.folder / f"metrics-{number}.csv")
        logger = CSVLogger(self.folder, name="", version="")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
            _ = logger.experiment
        return logger

    def lightning(self) -> "Logger":
        self._logger = self._logger or self._make()
        return self._logger

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        if self._logger is not None:
            _finish(self._logger, summary, failed)


class TensorboardLog(CsvLog):
    """TensorBoard event files in the job's folder (pip install tensorboard)."""

    def _make(self) -> "Logger":
        from pytorch_lightning.loggers import TensorBoardLogger

        return TensorBoardLogger(self.folder, name="", version="")
