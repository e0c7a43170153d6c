"""What Weights & Biases accepts: its limits and its modes.

The limits are those of wandb's own checks (project, tags) and of its server (group, name, id, job
type), which refuses a run, or the upload of one that was offline.
"""

import hashlib
import logging
import netrc
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from tlbench.errors import UserError
from tlbench.store.disk import probe_writing

log = logging.getLogger(__name__)

LONGEST = {"project": 128, "group": 128, "name": 128, "id": 128, "job_type": 64, "tag": 64}
_IN_NO_PROJECT = "/\\#?%:"
_MODES = ("online", "offline", "shared", "disabled")
_OLDER = {"run": "online", "dryrun": "offline"}
_TRUE = ("1", "true", "yes", "on")
_CHECKED = ("WANDB_PROJECT", "WANDB_TAGS", "WANDB_RUN_ID", "WANDB_RESUME")
_VARIABLES = {"group": "WANDB_RUN_GROUP", "save_dir": "WANDB_DIR"}


def usual(key: str, value: Any) -> Any:
    """Return the value of a key of a W&B logger; where it is None, that of W&B's variable."""
    return os.environ.get(_variable(key)) if value is None else value


def _variable(key: str) -> str:
    return _VARIABLES.get(key, f"WANDB_{key.upper()}")


def place(logger: str, key: str, value: object) -> str:
    """Return what a sentence calls the place of a logger's value: its key, or the variable too."""
    named, variable = f"logger.{logger}.{key}", _variable(key)
    return f"{named} (or {variable})" if os.environ.get(variable) == str(value) else named


def fitted(text: str, limit: str) -> str:
    """Return a text cut to one of ``LONGEST``; two that differ still do, by a digest at the end."""
    most = LONGEST[limit]
    if len(text) <= most:
        return text
    return f"{text[: most - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def fitted_tags(words: Iterable[str], more: Any) -> tuple[str, ...]:
    """Return tags as W&B takes them: none empty, none twice.

    Args:
        words: of every run.
        more: those of the config, a list or one; a text has them with commas between, as
            ``WANDB_TAGS`` has.
    """
    own = more.split(",") if isinstance(more, str) else more
    if not isinstance(own, list | tuple):
        own = () if own is None else (own,)
    stripped = [str(word).strip() for word in (*words, *own)]
    return tuple(dict.fromkeys(fitted(word, "tag") for word in stripped if word))


def checked_project(project: str | None, logger: str) -> str:
    """Return a project's name.

    Raises:
        UserError: if W&B would refuse it.
    """
    project = usual("project", project)
    name = "tlbench" if project is None else str(project)
    where = place(logger, "project", name)
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


def checked_entity(entity: str | None, logger: str) -> str | None:
    """Return a user's or team's name; None for the login's own.

    Raises:
        UserError: if there is none of that name.
    """
    entity = usual("entity", entity)
    if entity is None:
        return None
    if not re.fullmatch(r"[\w.-]+", str(entity)):
        where = place(logger, "entity", entity)
        raise UserError(f"Change {where}: '{entity}' is not the name of a user or team.")
    return str(entity)


def checked_folder(save_dir: str | None, logger: str) -> str:
    """Return the folder that has W&B's own, ``wandb``; it is made.

    Raises:
        UserError: if it can't be written; W&B would use the system's folder for temporary files.
    """
    save_dir = usual("save_dir", save_dir)
    where = place(logger, "save_dir", save_dir)
    if save_dir == "":
        raise UserError(f"Change {where}: give a folder.")
    folder = Path(save_dir or "multirun").expanduser()
    try:
        probe_writing(folder / "wandb")
    except OSError as error:
        raise UserError(f"Change {where}: {folder} can't be written ({error.strerror}).") from None
    return str(folder)


def checked_mode(asked: str | None, logger: str) -> str:
    """Return the mode of a run; where none is asked for, online if there is a login.

    Raises:
        UserError: if there is no such mode, or it needs a login and there is none.
    """
    asked = usual("mode", asked)
    if asked is None:
        disabled = os.environ.get("WANDB_DISABLED", "").lower() in _TRUE
        return "disabled" if disabled else login_mode()
    mode, where = checked_word(asked, logger), place(logger, "mode", asked)
    if mode in ("online", "shared") and login_mode() == "offline":
        raise UserError(
            f"Log in by `wandb login` (or set WANDB_API_KEY), or change {where}: '{asked}' needs a "
            "login."
        )
    return mode


def checked_word(asked: str, logger: str) -> str:
    """Return one of W&B's modes, whether there is a login for it or not.

    Raises:
        UserError: if it is none.
    """
    mode = _OLDER.get(asked, asked)
    if mode not in _MODES:
        where = place(logger, "mode", asked)
        raise UserError(f"Change {where}: '{asked}' is none of {', '.join(_MODES)}.")
    return mode


@contextmanager
def read_here() -> Iterator[None]:
    """Keep from W&B the variables that it checks and that are read here.

    It would refuse a tag of ``WANDB_TAGS`` that is cut here, and what the config overrules. An
    agent's run has project and id of its variables.
    """
    names = () if "WANDB_SWEEP_ID" in os.environ else _CHECKED
    if _OLDER.get(mode := os.environ.get("WANDB_MODE", _MODES[0]), mode) not in _MODES:
        names = (*names, "WANDB_MODE")
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def login_mode() -> str:
    """``online`` if there is a login: an API key in the environment or in the netrc file."""
    import wandb

    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return "online"
    with read_here():
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
