"""Keeps from loggers on whose machine, and where on it, a job has run."""

import getpass
import re
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

# Settings with which W&B does not collect host, paths, command line, git remote, packages, code and
# what is printed. Load of processors and memory it still measures.
PRIVATE_WANDB: dict[str, Any] = {
    "x_disable_meta": True,
    "x_save_requirements": False,
    "disable_git": True,
    "disable_code": True,
    "save_code": False,
    "console": "off",
    "host": "",
}

# How a path begins: /a, ~, ~a/, .., C:/ or two backslashes.
_PLACE = re.compile(r"(?:file:)?/+[^/\s]|~(?:$|[\w.-]*[/\\])|\.\.(?:[/\\]|$)|[A-Za-z]:[/\\]|\\\\\w")
_WORDS = (  # of a task's rows
    "labels",
    "values",
    "positive",
    "text",
    "label",
    "label_columns",
    "separator",
    "explode",
    "group",
    "keep",
)
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def without_places(plain: Any) -> Any:
    """Return plain data in which a path is relative, or its last part alone behind ``.../``.

    A path below the working folder becomes relative to it; any other that leads out of it
    (absolute, ``~`` or ``..``) loses all but its last part, and that too where it is the user's
    name. Logins in addresses are left out; labels and columns of a task stay as they are.
    """
    if isinstance(plain, dict):
        return {k: v if k in _WORDS else without_places(v) for k, v in plain.items()}
    if isinstance(plain, list | tuple):
        return [without_places(value) for value in plain]
    if not isinstance(plain, str):
        return plain
    return _without_place(plain) if _PLACE.match(plain) else _LOGIN.sub("", plain)


def _without_place(path: str) -> str:
    if path.startswith("file:"):
        path = urlsplit(path).path
    here = Path.cwd()
    inside = Path(path).is_absolute() and Path(path).is_relative_to(here)
    if inside:
        return str(Path(path).relative_to(here))
    last = PureWindowsPath(path).name  # it splits at slashes of either kind
    return f".../{last}" if last not in ("", "..", *_users()) else "..."


def _users() -> tuple[str, ...]:
    """Return what is the user's name and that of the home folder."""
    try:
        return getpass.getuser(), Path.home().name, "~"
    except (OSError, KeyError, RuntimeError):  # a container may have no name for its user
        return ("~",)
