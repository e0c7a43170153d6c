"""Damage: the checksums that reveal it, and where damaged files go.

Nothing damaged is removed: it is renamed into a folder ``.damaged``, and made again.
"""

import hashlib
import json
import logging
import os
import uuid
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

ASIDE = ".damaged"
_CHECKSUM_KEY = "checksum"


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def file_damage(folder: Path, checksums: dict[str, str]) -> list[str]:
    """Return what is wrong with files, given their checksums by their names in ``folder``."""
    problems = []
    for name, expected in checksums.items():
        try:
            if checksum(folder / name) != expected:
                problems.append(f"{name} has changed")
        except FileNotFoundError:
            problems.append(f"{name} is missing")
        except OSError as error:
            problems.append(f"{name} can't be read ({error.strerror})")
    return problems


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON file with a checksum of all of it."""
    # Through JSON first, which changes types (tuples, keys that are numbers): a reader computes
    # the checksum from what JSON has kept.
    return _sealed(json.loads(json.dumps(content)))


def _sealed(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, _CHECKSUM_KEY: _digest(plain)}


def write_sealed(file: Path, content: dict[str, Any], is_plain: bool = False) -> None:
    """Write a JSON file with its checksum; a reader sees the old one or the new one.

    Args:
        is_plain: whether the content is as JSON gives it back.
    """
    from pydantic_core import to_json  # that of Python is slow where it indents

    sealed = _sealed(content) if is_plain else seal(content)
    draft = file.with_suffix(f".{os.getpid()}.draft")
    try:
        draft.write_bytes(to_json(sealed, indent=1, inf_nan_mode="constants") + b"\n")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def unseal(sealed: Any) -> dict[str, Any]:
    """Return the content that was sealed, without its checksum.

    A file without a checksum is of a version before there were any, and is believed.

    Raises:
        ValueError: if the content is not a JSON object or does not match its checksum.
    """
    if not isinstance(sealed, dict):
        raise ValueError("it is not a JSON object")
    content = {key: value for key, value in sealed.items() if key != _CHECKSUM_KEY}
    if _CHECKSUM_KEY in sealed and sealed[_CHECKSUM_KEY] != _digest(content):
        raise ValueError("it does not match its checksum")
    return content


def set_aside(damaged: Path, into: Path, why: str) -> None:
    """Rename a damaged file or folder into ``into/.damaged``, and log a warning."""
    # Numbered at random: the same stage or file may be damaged more than once.
    target = into / ASIDE / f"{damaged.name}-{uuid.uuid4().hex[:8]}"
    target.parent.mkdir(exist_ok=True)
    try:
        damaged.rename(target)
    except FileNotFoundError:
        return  # that it is missing may be the damage
    log.warning("  %s is damaged (%s); it is made again, and kept as %s", damaged, why, target)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
