"""Room: on the disks of the store and of the output, in shared memory, and for open files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from tlbench.doctor.finding import Finding, gigabytes, shown
from tlbench.store.disk import SHARED

_LITTLE, _TOO_LITTLE = 10e9, 1e9  # bytes; a checkpoint of the default encoder has 1e9
_SHARED = 256e6  # bytes; a container's default is 67e6
_FILES = 1024


def nearest(folder: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there."""
    absolute = folder.absolute()
    return next(one for one in (absolute, *absolute.parents) if one.exists())


def is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder that is there."""
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def room(what: str, folder: Path, setting: str) -> Iterator[Finding]:
    """Yield what is free on the disk of a folder, which a run would make if it is not there.

    Args:
        what: the thing, for the line.
        setting: the override that names another folder.
    """
    there = nearest(folder)
    free = shutil.disk_usage(there).free
    found = f"{gigabytes(free)} free for {shown(folder)}"
    advice = f"Set {setting} to a folder on another disk."
    if not is_writable(there):
        found = f"{shown(folder)} can't be written" + (
            "" if there == folder else f", nor can {shown(there)}"
        )
        yield Finding("problem", what, found, f"Set {setting} to a folder of yours.")
    elif free < _TOO_LITTLE:
        found += "; a checkpoint of the default encoder takes 1.0 GB"
        yield Finding("problem", what, found, advice)
    elif free < _LITTLE:
        found += "; of the default encoder a checkpoint takes 1.0 GB, and kept weights 0.3 GB each"
        yield Finding("note", what, found, advice)
    else:
        yield Finding("ok", what, found)


def shared_memory(folder: Path = SHARED) -> Iterator[Finding]:
    """Yield what is free of the memory that processes share; nothing where there is none."""
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    if not is_writable(folder):
        found, needed = f"{folder} can't be written", True
    else:
        found, needed = f"{gigabytes(free)} free in {folder}", free < _SHARED
    if needed:
        found += ", which num_workers and several devices need"
        advice = "Keep num_workers=0 and trainer.devices=1, or start the container with --shm-size."
        yield Finding("note", "shared memory", found, advice)
    else:
        yield Finding("ok", "shared memory", found)


def open_files() -> Iterator[Finding]:
    """Yield how many files a process may have open; nothing where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        yield Finding("ok", "open files", "without a limit")
    elif limit < _FILES:
        found = f"{limit} in a process, which is little for num_workers and sweeps"
        yield Finding("note", "open files", found, f"Run ulimit -n {_FILES} before tlbench.")
    else:
        yield Finding("ok", "open files", f"{limit} in a process")
