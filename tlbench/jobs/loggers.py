"""Where a job's curves go: any number of loggers, each of Lightning's or with the face of ours.

Each opens at the start of a job, gives the stages that train a Lightning logger, and is closed in
every case, with the final score, trained or reused. Ours import Lightning only if a stage trains.
"""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from inspect import isclass, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlbench.config.dotted import imported, lacks, made_by
from tlbench.errors import UserError
from tlbench.jobs.job_log import JobLog, RunInfo, StageLog
from tlbench.jobs.lightning_log import LightningLog, end, more_options
from tlbench.plan.stage import Stage
from tlbench.store.disk import why_not_written
from tlbench.store.manifest import Manifest

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

__all__ = ["CsvLog", "JobLog", "JobLogs", "RunInfo", "StageLog", "TensorboardLog", "open_logs"]


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


def check_logs(config: dict[str, Any]) -> None:
    """Refuse what no job of a sweep could open, before the first: see ``open_logs``.

    A class may have a function ``check`` of a logger's name and its options.

    Raises:
        UserError: naming the key to change.
    """
    for name, options in config.items():
        make, _, given = _named(name, options)
        if check := getattr(make, "check", None):
            check(name, given)


def _named(name: str, config: Any) -> tuple[Any, str, dict[str, Any]]:
    """Return what makes a logger, its dotted path, and its options."""
    if not isinstance(config, dict) or "_target_" not in config:
        raise UserError(
            f"Change logger.{name}: a logger is a mapping with its _target_, as in "
            f"logger.wandb.project=my_project."
        )
    target = str(config["_target_"])
    options = {key: value for key, value in config.items() if key != "_target_"}
    return imported(target, f"logger.{name}._target_"), target, options


def _open(name: str, config: Any, info: RunInfo) -> JobLog:
    make, target, options = _named(name, config)
    if missing := lacks(make) if isclass(make) else []:
        raise UserError(
            f"Change logger.{name}._target_, or the class: '{target}' lacks {', '.join(missing)}."
        )
    takes = made_by(signature, target, f"logger.{name}", make).parameters
    if "info" in takes:
        options["info"] = info
    else:
        _check_lightnings(make, target, name)
        if "save_dir" in takes:
            options = {"save_dir": str(info.folder)} | more_options(make) | options
    try:
        made = made_by(make, target, f"logger.{name}", **options)
    except UserError as error:
        if error.__cause__ and why_not_written(error.__cause__):
            raise error.__cause__ from None  # the disk is full: no other logger would help
        raise
    opened: JobLog = made
    if "info" not in takes:  # what it needs may be imported, or asked, only now
        opened = made_by(LightningLog, target, f"logger.{name}", made, info)
    return opened


def _check_lightnings(make: Any, target: str, name: str) -> None:
    """Refuse what is no class of Lightning's loggers, before it is called.

    Raises:
        UserError: if it is none.
    """
    from pytorch_lightning.loggers import Logger

    if not (isclass(make) and issubclass(make, Logger)):
        raise UserError(
            f"Change logger.{name}._target_: '{target}' is no logger of Lightning's, and takes no "
            "info."
        )


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
            end(self._logger, summary, failed)


class TensorboardLog(CsvLog):
    """TensorBoard event files in the job's folder (pip install tensorboard)."""

    def _make(self) -> "Logger":
        from pytorch_lightning.loggers import TensorBoardLogger

        return TensorBoardLogger(self.folder, name="", version="")
