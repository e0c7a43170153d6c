"""``stage.json``: what a finished stage says of itself, and the checksums of its other files."""

import json
import os
import re
from pathlib import Path
from typing import Any

from tlbench.config.identity import KEY_LENGTH
from tlbench.errors import UserError
from tlbench.store.integrity import checksum, file_damage, unseal

Manifest = dict[str, Any]

MANIFEST = "stage.json"
ROWS_FILE = "rows.csv"  # of a stage that writes rows: those of train, then those of dev
_SCHEMA = 1
_KEY = f"[0-9a-f]{{{KEY_LENGTH}}}"  # a folder of any other name is not a stage's


def with_checksums(key: str, manifest: Manifest, work: Path) -> Manifest:
    """Return a stage's manifest with its key and the checksums of all files in ``work``."""
    # All of them, whoever wrote them: a stage's folder holds nothing that is not verified.
    return {"schema": _SCHEMA, "key": key, **manifest, "files": checksums_below(work)}


def checksums_below(folder: Path) -> dict[str, str]:
    """Return the checksums of all files below a folder, by their names in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): checksum(path) for path in files}


def read_manifest(folder: Path, key: str) -> Manifest | None:
    """Return the manifest of the stage in ``folder``; None if there is none.

    Raises:
        UserError: if there is no permission to read it.
        ValueError: if it is damaged, or is another stage's.
    """
    file = folder / MANIFEST
    try:
        manifest = unseal(json.loads(file.read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(
            f"Change the permissions of {file}, or store_dir: it can't be read ({error.strerror})."
        ) from error
    # A file without a checksum is believed by ``unseal``: see at least that it is a manifest.
    if (manifest.get("schema"), manifest.get("key")) != (_SCHEMA, key):
        raise ValueError(f"it is not of stage {key} in schema {_SCHEMA}")
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("weights"), list):
        raise ValueError("it has no list of files or weights")
    return manifest


def finished_keys(root: Path) -> list[str]:
    """Return the keys of the stages in a store's folder, sorted.

    Raises:
        UserError: if there is no permission to read it.
    """
    try:
        names = [entry.name for entry in os.scandir(root) if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(
            f"Change the permissions of {root}, or store_dir: it can't be read ({error.strerror})."
        ) from error
    return sorted(name for name in names if re.fullmatch(_KEY, name))


def stage_damage(folder: Path, key: str) -> list[str]:
    """Return what is wrong with a stage's files, its manifest among them; [] if nothing is."""
    try:
        manifest = read_manifest(folder, key)
    except (ValueError, UserError) as error:
        return [f"{MANIFEST}: {error}"]
    if manifest is None:
        return [f"{MANIFEST} is missing"] if folder.exists() else []
    return file_damage(folder, manifest["files"])


def weights_damage(folder: Path, manifest: Manifest, task: str) -> list[str]:
    """Return what is wrong with a task's weights in a stage's folder."""
    below = f"weights/{task}/"
    checksums = {name: value for name, value in manifest["files"].items() if name.startswith(below)}
    return file_damage(folder, checksums)


def rows_damage(folder: Path, manifest: Manifest) -> list[str]:
    """Return what is wrong with the rows that a stage has written; [] of one that writes none."""
    checksums = {name: value for name, value in manifest["files"].items() if name == ROWS_FILE}
    return file_damage(folder, checksums)


def is_cross_fitted(manifest: Manifest) -> bool:
    """Return whether a stage has cross-fitted scores; one of an older version has none."""
    return "cross_fit" in manifest.get("selections", ())


def without_weights(manifest: Manifest) -> Manifest:
    """Return the manifest of the same stage once all its weights are removed."""
    files = {k: v for k, v in manifest["files"].items() if not k.startswith("weights/")}
    return {**manifest, "weights": [], "files": files}
