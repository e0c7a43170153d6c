"""Where a job's curves go: Weights & Biases, CSV, TensorBoard.

Each opens at the start of a job, gives the stages that train a Lightning logger, and is closed in
every case, with the final score, trained or reused. Lightning is imported only if a stage trains.
"""

import logging
import netrc
import os
import secrets
import warnings
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlparse

from tlbench.errors import UserError

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunInfo:
    """What a run is called and filed under.

    Attributes:
        kind: the strategy, or ``stage`` for a job that trains a stage alone.
        tags: kind, tasks and encoder.
    """

    title: str
    study: str
    kind: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    folder: Path


class JobLog(Protocol):
    """The three loggers' common face."""

    def lightning(self) -> "Logger | None":
        """The logger for a stage's Trainer."""

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        """Close it, with the final numbers."""


def open_log(config: dict[str, Any], job: RunInfo) -> JobLog:
    """The logger of the config group ``logger``.

    Raises:
        UserError: if there is no such logger, or it takes no such options.
    """
    if config.get("_target_") is None:
        return NoLog()
    target = config["_target_"]
    options = {key: value for key, value in config.items() if key != "_target_"}
    try:
        make = resolve_name(target)
        signature(make).bind(job=job, **options)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"Change logger._target_: '{target}' can't be imported.") from error
    except TypeError as error:
        raise UserError(f"Change logger: {target} {error}.") from error
    opened: JobLog = make(job=job, **options)
    return opened


class NoLog:
    """Logs nothing."""

    def lightning(self) -> None:
        return None

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        return None


class WandbLog:
    """One Weights & Biases run per job; offline where there is no login, never a prompt.

    With a login a job that was cut off or has failed goes on in its run: the run's id is in the
    job's folder until the job has finished. Run anew after that it gets a run of its own, since
    a resumed one would draw its curves over those of the finished one.
    """

    def __init__(self, project: str, entity: str | None, save_dir: str, job: RunInfo) -> None:
        import wandb

        mode = None if "WANDB_MODE" in os.environ else _mode()
        effective = mode or os.environ["WANDB_MODE"]
        online = effective == "online"
        self._id_file = job.folder / "wandb_run_id"
        Path(save_dir).mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=project,
            entity=entity,
            dir=save_dir,
            name=job.title,
            group=job.study,
            job_type=job.kind,
            tags=job.tags,
            config=job.config,
            mode=mode,  # type: ignore[arg-type]
            # Offline nothing can be resumed; in a W&B sweep its agent has given the id.
            id=_run_id(self._id_file) if online and "WANDB_SWEEP_ID" not in os.environ else None,
            resume="allow" if online else None,
            # Its own summary of each run would drown a sweep's lines, which have the score.
            settings=wandb.Settings(silent=effective == "offline", quiet=True),
        )

    def lightning(self) -> "Logger":
        from pytorch_lightning.loggers import WandbLogger

        return WandbLogger(experiment=self.run, log_model=False)

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        self.run.summary.update(summary)
        self.run.finish(exit_code=int(failed))
        if not failed:
            self._id_file.unlink(missing_ok=True)


def _run_id(file: Path) -> str:
    """The id in a file, a new one if there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(secrets.token_hex(8))
        draft.replace(file)
    return file.read_text()


def _mode() -> str:
    """``online`` if there is a login: an API key in the environment or in the netrc file."""
    import wandb

    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return "online"
    hosts = [urlparse(wandb.setup().settings.base_url).netloc]
    if "WANDB_BASE_URL" not in os.environ:
        hosts.append("api.wandb.ai")  # the public server's older name, which logins still have
    file = os.environ.get("NETRC") or next(
        (str(f) for f in (Path.home() / ".netrc", Path.home() / "_netrc") if f.is_file()), None
    )
    try:
        logins = netrc.netrc(file) if file else None
        return "online" if logins and any(map(logins.authenticators, hosts)) else "offline"
    except (OSError, netrc.NetrcParseError) as error:
        log.warning("W&B is offline: %s can't be read (%s).", file, error)
        return "offline"


class CsvLog:
    """``metrics.csv`` in the job's folder; of a job that was cut off before, ``metrics-1.csv``."""

    def __init__(self, job: RunInfo) -> None:
        self.folder = job.folder
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
            numbers = {k: v for k, v in summary.items() if isinstance(v, int | float)}
            self._logger.log_metrics(numbers)
            self._logger.finalize("failed" if failed else "success")


class TensorboardLog(CsvLog):
    """TensorBoard event files in the job's folder (pip install tensorboard)."""

    def _make(self) -> "Logger":
        from pytorch_lightning.loggers import TensorBoardLogger

        return TensorBoardLogger(self.folder, name="", version="")
