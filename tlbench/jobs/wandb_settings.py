"""What Weights & Biases accepts: its limits, its modes, and its variables for one run.

The limits are those of wandb's own checks (project, tags) and of its server (group, name, id, job
type), which refuses a run, or the upload of one that was offline.
"""

import hashlib
import logging
import netrc
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlparse

from tlbench.errors import UserError
from tlbench.jobs.loggers import RunInfo
from tlbench.store.disk import probe_writing

log = logging.getLogger(__name__)

LONGEST = {"project": 128, "group": 128, "name": 128, "id": 128, "job_type": 64, "tag": 64}
_IN_NO_PROJECT = "/\\#?%:"
_IN_NO_ID = ":;,#?/'\\%"
_MODES = ("online", "offline", "shared", "disabled")
_OLDER = {"run": "online", "dryrun": "offline"}
_TRUE = ("1", "true", "yes", "on")
_RESUME = ("allow", "must", "never", "auto")
_VARIABLES = {"group": "WANDB_RUN_GROUP", "save_dir": "WANDB_DIR"}


def place(info: RunInfo, key: str, value: object) -> str:
    """Return what a sentence calls the place of a value: the key, and the variable that set it."""
    variable = _VARIABLES.get(key, f"WANDB_{key.upper()}")
    named = f"logger.{info.logger}.{key}"
    return f"{named}, or {variable}," if os.environ.get(variable) == str(value) else named


def fitted(text: str, limit: str) -> str:
    """Return a text cut to one of ``LONGEST``; two that differ still do, by a digest at the end."""
    most = LONGEST[limit]
    if len(text) <= most:
        return text
    return f"{text[: most - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def fitted_tags(words: Iterable[str], more: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return tags as W&B takes them: none empty, none twice.

    Args:
        words: of every run.
        more: those of the config; a text has them with commas between, as ``WANDB_TAGS`` has.
    """
    more = more.split(",") if isinstance(more, str) else more or ()
    stripped = [str(word).strip() for word in (*words, *more)]
    return tuple(dict.fromkeys(fitted(word, "tag") for word in stripped if word))


def checked_project(project: str | None, info: RunInfo) -> str:
    """Return a project's name.

    Raises:
        UserError: if W&B would refuse it.
    """
    name = "" if project is None else str(project)
    where = place(info, "project", name)
    if not name.strip():
        raise UserError(f"Change {where}: a project has a name.")
    if len(name) > LONGEST["project"]:
        raise UserError(
            f"Change {where}: a project's name has at most {LONGEST['project']} characters, and "
            f"this one {len(name)}."
        )
    if found := sorted(set(name) & set(_IN_NO_PROJECT)):
        raise UserError(f"Change {where}: '{name}' has {' '.join(found)}, which no project has.")
    return name


def checked_entity(entity: str | None, info: RunInfo) -> str | None:
    """Return a user's or team's name; None for the login's own.

    Raises:
        UserError: if there is none of that name.
    """
    if entity is None:
        return None
    if not re.fullmatch(r"[\w.-]+", str(entity)):
        raise UserError(
            f"Change {place(info, 'entity', entity)}: '{entity}' is not the name of a user or team."
        )
    return str(entity)


def checked_folder(save_dir: str | None, info: RunInfo) -> str:
    """Return the folder that has W&B's own, ``wandb``; it is made.

    Raises:
        UserError: if it can't be written; W&B would use the system's folder for temporary files.
    """
    where = place(info, "save_dir", save_dir)
    if not save_dir:
        raise UserError(f"Change {where}: give a folder.")
    folder = Path(save_dir).expanduser()
    try:
        probe_writing(folder / "wandb")
    except OSError as error:
        raise UserError(f"Change {where}: {folder} can't be written ({error.strerror}).") from None
    return str(folder)


def checked_mode(asked: str | None, info: RunInfo) -> str:
    """Return the mode of a run; where none is asked for, online if there is a login.

    Raises:
        UserError: if there is no such mode, or it needs a login and there is none.
    """
    if asked is None:
        disabled = os.environ.get("WANDB_DISABLED", "").lower() in _TRUE
        return "disabled" if disabled else login_mode()
    where, mode = place(info, "mode", asked), _OLDER.get(asked, asked)
    if mode not in _MODES:
        raise UserError(f"Change {where}: '{asked}' is none of {', '.join(_MODES)}.")
    if mode in ("online", "shared") and login_mode() == "offline":
        raise UserError(
            f"Log in by `wandb login` (or set WANDB_API_KEY), or change {where}: '{asked}' needs a "
            "login."
        )
    return mode


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
    return _kept_id(id_file) if online else secrets.token_hex(8)


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
