"""The id of a job's W&B run, by which a job that was cut off goes on in it."""

import logging
import os
import secrets
from pathlib import Path

from tlbench.errors import UserError
from tlbench.jobs.job_log import RunInfo
from tlbench.jobs.wandb_settings import LONGEST

log = logging.getLogger(__name__)

_IN_NO_ID = ":;,#?/'\\%"
_RESUME = ("allow", "must", "never", "auto")


def run_id(online: bool, id_file: Path, info: RunInfo) -> str | None:
    """Return the id of a job's run; None where a W&B agent has given it one.

    ``WANDB_RUN_ID`` is that of the one job of a command. A sweep's jobs would all be that run: each
    has an id of its own.

    Raises:
        UserError: if the variable is no id, or if an agent's run would be several jobs.
    """
    given = os.environ.get("WANDB_RUN_ID")
    if "WANDB_SWEEP_ID" in os.environ:
        if info.in_sweep:
            raise UserError(
                "Change command in the file of the W&B sweep: its agent gives a run to each "
                "command, so tlbench may run one job, and no sweep of its own (-m)."
            )
        return None
    if given is not None and info.in_sweep:
        log.warning("  WANDB_RUN_ID is not used: it would put all jobs of a sweep into one run.")
    elif given is not None:
        return _checked_id(given, info)
    kept = online and resume() != "never"
    return _kept_id(id_file) if kept else secrets.token_hex(8)


def _checked_id(given: str, info: RunInfo) -> str:
    if not given.strip() or given != given.strip() or set(given) & set(_IN_NO_ID):
        raise UserError(
            f"Change WANDB_RUN_ID: '{given}' is no id, which has a character, no space around it "
            f"and none of {' '.join(_IN_NO_ID)}."
        )
    # A second W&B logger of the job has a run of its own.
    own = given if info.logger == "wandb" else f"{given}-{info.logger}"
    if len(own) > LONGEST["id"]:
        raise UserError(f"Change WANDB_RUN_ID: it has over {LONGEST['id']} characters.")
    return own


def _kept_id(file: Path) -> str:
    """Return the id in a file, a new one if there is none."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(secrets.token_hex(8))
        draft.replace(file)
    return file.read_text()


def resume() -> str:
    """Return how a run with an id that is there goes on: ``WANDB_RESUME``, else ``allow``.

    ``auto`` takes the id of whatever run was the last in the folder, which may be another job's;
    a job keeps its own, so that it means ``allow``.

    Raises:
        UserError: if the variable is none of W&B's words.
    """
    asked = os.environ.get("WANDB_RESUME", "allow")
    if asked not in _RESUME:
        raise UserError(f"Change WANDB_RESUME: '{asked}' is none of {', '.join(_RESUME)}.")
    return "allow" if asked == "auto" else asked
