"""Leaves out of a record what tells of one machine: absolute paths, users and hosts.

A path becomes ``path:glue-3fa9c1d2``, its last name and a digest: another path is another word, so
that records belong together as before. Paths below ``suite.root`` keep what is below it. Records in
a study's folder have their paths, which reruns and exports need; what leaves it has none unless
asked for.
"""

import getpass
import hashlib
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from tlbench.config.keys import value_in
from tlbench.errors import UserError
from tlbench.records.record import ResultRecord

MARK = "path:"
_DIGITS = 8
_HOMES = {"home", "Users", "users"}
# Keys that may name a file or folder, wherever a task's source stands; and folders of the config.
_OF_SOURCES = {"path", "train", "dev", "more_dev", "test", "root"}
_FOLDERS = {"store_dir", "cache_dir"}
_PATH = re.compile(r"^(?:/|~|\\\\|[A-Za-z]:[\\/]|file:)")
# In a sentence: a path in quotes may have spaces.
_QUOTED = re.compile(
    r"""(?<=')(?:/|~/|[A-Za-z]:\\)[^'\n]+(?=')|(?<=")(?:/|~/|[A-Za-z]:\\)[^"\n]+(?=")"""
)
_BARE = re.compile(
    r"""(?:(?<=file://)|(?<![\w./:~}-]))(?:/|~\w*/|[A-Za-z]:\\)[^\s'",;:()\[\]<>]+"""
)
_USERS = re.compile(r"(?:/(?:home|Users)/|\\Users\\)([\w.-]+)|://([^/\s@:]+)(?::[^/\s@]*)?@")
_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
_HOST_AND_PORT = re.compile(r"\[[\w.-]+\](?=:\d)")  # as torch says it
_AT_HOST = re.compile(r"\b[\w.+-]+@[\w.-]+\w")
_NOBODY = "root"  # says nothing of a person, and is the word of suite.root


def without_places(record: ResultRecord) -> ResultRecord:
    """Return the record without absolute paths, names of users and hosts, and logins."""
    root = value_in(record.config, "suite.root")
    config = {k: v for k, v in record.config.items() if k != "logger"}
    if "logger" in record.config:  # which project says who looks at it
        project = value_in(record.config, "logger.wandb.project")
        config["logger"] = {"wandb": {"project": project}} if project else {}
    if isinstance(config.get("tags"), list):
        config["tags"] = [in_words(tag) if isinstance(tag, str) else tag for tag in config["tags"]]
    error = record.error
    return replace(
        record,
        encoder="encoder" if record.encoder == _user() else record.encoder,
        config=_at_places(config, lambda path: short(path, root)),
        tasks=_at_places(record.tasks, lambda path: short(path, root)),
        error=error and in_words(error),
    )


def in_words(text: str) -> str:
    """Return a sentence without absolute paths, names of this user and host, and logins.

    Names of users that paths and logins say are not in it either.
    """
    users = {_user(), *(name for found in _USERS.findall(text) for name in found)}
    text = _LOGIN.sub("", text)
    text = _HOST_AND_PORT.sub("[host]", _AT_HOST.sub("user@host", text))
    for pattern in (_QUOTED, _BARE):
        text = pattern.sub(lambda found: short(found[0]), text)
    words = {socket.gethostname(): "host"} | dict.fromkeys(users - {"", _NOBODY}, "user")
    for name, word in words.items():
        if name:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", word, text)
    return text


def short(path: str, root: Any = None) -> str:
    """Return what stands for a path; any other word as it is.

    Args:
        root: a path; of those below it what is below stays.
    """
    if not _PATH.match(path):
        return path
    top = root.rstrip("/") if isinstance(root, str) and _PATH.match(root) else ""
    if top and path.startswith(f"{top}/"):
        return _token(str(root)) + path[len(top) :].rstrip("/")
    return _token(path)


def _token(path: str) -> str:
    pure = (PurePosixPath if "/" in path else PureWindowsPath)(path)
    is_user = pure.parent.name in _HOMES or pure.name == _user()
    name = "" if is_user else re.sub(r"[^\w.-]+", "_", pure.name)
    digest = hashlib.sha256(path.encode("utf-8", "replace")).hexdigest()[:_DIGITS]
    return MARK + "-".join(filter(None, (name, digest)))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return ""


def _at_places(value: Any, change: Callable[[str], str], keys: tuple[str, ...] = ()) -> Any:
    """Return a config with other words wherever a path may stand."""
    if isinstance(value, dict):
        return {name: _at_places(item, change, (*keys, str(name))) for name, item in value.items()}
    if isinstance(value, list):
        return [_at_places(item, change, keys) for item in value]
    return change(value) if isinstance(value, str) and _is_place(keys) else value


def _is_place(keys: tuple[str, ...]) -> bool:
    if keys in {("encoder", "name"), ("synthesis", "model"), *((name,) for name in _FOLDERS)}:
        return True
    is_own_of_suite = keys[0] == "suite" and len(keys) == 2  # as the folder of HANS is
    return is_own_of_suite or bool(_OF_SOURCES.intersection(keys))


def given_anew(record: ResultRecord, overrides: Sequence[str]) -> tuple[ResultRecord, list[str]]:
    """Return a record that was published with the paths that overrides give it, and the others.

    An override of a key that is nothing but a path that was left out gives it wherever it stands;
    one of ``suite.root`` does so whatever stands there.

    Raises:
        UserError: naming the override that gives a path which is still left out.
    """
    record = _moved(record, overrides)
    absent = left_out(record)
    by_key = {key: token for token, keys in absent.items() for key in keys}
    paths: dict[str, str] = {}
    others = []
    for text in overrides:
        key, _, value = text.lstrip("+").partition("=")
        token = by_key.get(key)
        if token is not None and value_at_place(record, key) == token:
            paths[token] = value.strip("'\"")
        else:
            others.append(text)
    for token, keys in absent.items():
        if token not in paths and not {*keys} <= {text.partition("=")[0] for text in others}:
            raise UserError(
                f"Add {keys[0]}=<path>: the record was published without it, as {token}."
            )
    return restored(record, paths), others


def _moved(record: ResultRecord, overrides: Sequence[str]) -> ResultRecord:
    """Return the record with what lies below its suite's root below that of an override.

    The paths of a record are resolved: another root alone would move none of them.
    """
    old = value_in(record.config, "suite.root")
    given = [text.partition("=")[2] for text in overrides if text.startswith("suite.root=")]
    if not given or not isinstance(old, str) or not old or old.startswith(MARK):
        return record
    top, new = old.rstrip("/"), given[-1].strip("'\"").rstrip("/")

    def moved(path: str) -> str:
        is_below = f"{path}/".startswith(f"{top}/")
        return new + path[len(top) :].rstrip("/") if is_below else path

    return replace(
        record,
        config=_at_places(record.config, moved),
        tasks=_at_places(record.tasks, moved),
    )


def value_at_place(record: ResultRecord, key: str) -> Any:
    """Return the value at a key of the record's config, or below ``tasks``."""
    kind, _, inside = key.partition(".")
    return value_in(record.tasks, inside) if kind == "tasks" else value_in(record.config, key)


def left_out(record: ResultRecord) -> dict[str, list[str]]:
    """Return the paths that a rerun needs and that were left out, each with the keys it stands at.

    The first key is the one to override: its value is nothing but the path.
    """
    whole: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    # The suite's root first, below which most of the others are.
    suite = {"suite": record.config.get("suite")}
    places = (suite | record.config, ()), (record.tasks, ("tasks",))
    for plain, above in places:
        for keys, text in _texts(plain, above):
            if text.startswith(MARK) and keys[0] not in _FOLDERS:
                name = ".".join(keys)
                token, _, rest = text.partition("/")
                (below if rest else whole).setdefault(token, []).append(name)
    return {token: whole.get(token, []) + below.get(token, []) for token in {**whole, **below}}


def _texts(value: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, (*keys, str(name)))
    elif isinstance(value, str) and keys:
        yield keys, value


def restored(record: ResultRecord, paths: Mapping[str, str]) -> ResultRecord:
    """Return the record with paths in place of what stands for them."""

    def with_paths(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: with_paths(item) for name, item in value.items()}
        if isinstance(value, list):
            return [with_paths(item) for item in value]
        token, slash, rest = value.partition("/") if isinstance(value, str) else ("", "", "")
        return f"{paths[token].rstrip('/')}{slash}{rest}" if token in paths else value

    return replace(record, config=with_paths(record.config), tasks=with_paths(record.tasks))


def shown_file(file: str) -> str:
    """Return a record's file as others see it: ``study/job/result.json``."""
    *above, study, job, name = ("", "", "", *PurePosixPath(file).parts)[-4:]
    is_user = study == _user() or (above and above[0] in _HOMES)
    return "/".join(part for part in ("" if is_user else study, job, name) if part.strip("/"))
