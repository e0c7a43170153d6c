"""Damage: the checksums that tell of it, and where what is damaged goes.

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
_SEAL = "checksum"


def checksum(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def changed(folder: Path, sums: dict[str, str]) -> list[str]:
    """What is wrong with files whose checksums are known by their names in ``folder``."""
    wrong = []
    for name, expected in sums.items():
        try:
            if checksum(folder / name) != expected:
                wrong.append(f"{name} has changed")
        except FileNotFoundError:
            wrong.append(f"{name} is missing")
        except OSError as error:
            wrong.append(f"{name} can't be read ({error.strerror})")
    return wrong


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """What a JSON file is to hold, with a checksum of all of it."""
    plain = json.loads(json.dumps(content))
    return {**plain, _SEAL: _digest(plain)}


def write_sealed(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file with its checksum; a reader sees the old one or the new one."""
    draft = file.with_suffix(f".{os.getpid()}.draft")
    try:
        draft.write_text(json.dumps(seal(content), indent=1) + "\n", "utf-8")
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def unseal(found: Any) -> dict[str, Any]:
    """What was sealed. A file without a checksum is of a version before there were any.

    Raises:
        ValueError: if it is something else.
    """
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    content = {key: value for key, value in found.items() if key != _SEAL}
    if _SEAL in found and found[_SEAL] != _digest(content):
        raise ValueError("its checksum is that of another content")
    return content


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def set_aside(damaged: Path, into: Path, why: str) -> None:
    """Rename a damaged file or folder into ``into/.damaged``, and say so."""
    target = into / ASIDE / f"{damaged.name}-{uuid.uuid4().hex[:8]}"
    target.parent.mkdir(exist_ok=True)
    try:
        damaged.rename(target)
    except FileNotFoundError:
        return  # it is gone, which may be what is wrong
    log.warning("  %s is damaged (%s); it is made again, and kept as %s", damaged, why, target)
