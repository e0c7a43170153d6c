"""A job's run in Weights & Biases."""

import logging
import netrc
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from tlbench.jobs.loggers import RunInfo

if TYPE_CHECKING:
    from pytorch_lightning.loggers import Logger

log = logging.getLogger(__name__)


class WandbLog:
    """One Weights & Biases run per job; offline where there is no login, never a prompt.

    With a login a job that was cut off or has failed goes on in its run: the run's id is in the
    job's folder until the job has finished. Run anew after that it gets a run of its own, since
    a resumed one would draw its curves over those of the finished one.
    """

    def __init__(self, project: str, entity: str | None, save_dir: str, info: RunInfo) -> None:
        import wandb

        mode = None if "WANDB_MODE" in os.environ else login_mode()
        effective = mode or os.environ["WANDB_MODE"]
        online = effective == "online"
        self._id_file = info.folder / "wandb_run_id"
        Path(save_dir).mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project=project,
            entity=entity,
            dir=save_dir,
            name=info.title,
            group=info.study,
            job_type=info.kind,
            tags=info.tags,
            config=info.config,
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


def login_mode() -> str:
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
