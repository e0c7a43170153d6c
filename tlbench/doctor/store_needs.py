"""Tries on the store's file system what the store relies on, in a folder that is removed again."""

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tlbench.doctor.disk import nearest
from tlbench.doctor.finding import Finding, shown
from tlbench.errors import UserError
from tlbench.store import claims

_SKEW = claims.LEASE  # seconds by which the clock of a file server may differ


def store_needs(store: Path) -> Iterator[Finding]:
    """Yield whether claims and renames work where the store is, or will be made."""
    place = nearest(store)
    try:
        trial = tempfile.TemporaryDirectory(prefix=".tlbench-doctor-", dir=place)
    except OSError as error:
        found = f"nothing was tried, as {shown(place)} can't be written ({error.strerror})"
        yield Finding("note", "store", found)
        return
    with trial as name:
        failed = [told for told in (_told(one, Path(name)) for one in _TRIALS) if told]
        skew = _clock_skew(Path(name))
    if failed:
        found = f"the file system of {shown(place)} {', and '.join(failed)}"
        yield Finding("problem", "store", found, "Set store_dir to a folder on another one.")
    elif skew > _SKEW:
        found = f"the clock of the file system of {shown(place)} is {skew:.0f} s off this machine's"
        yield Finding("note", "store", found, "Have both set by NTP: claims are judged by age.")
    else:
        found = f"in {shown(place)} claims, exclusive files and atomic renames work"
        yield Finding("ok", "store", found)


def _told(trial: Callable[[Path], str], folder: Path) -> str:
    try:
        return trial(folder)
    except (OSError, UserError) as error:
        return f"refuses: {error}".removesuffix(".")


def _claim(folder: Path) -> str:
    """Hold a claim as a stage does."""
    file = folder / "stage.claim"
    with claims.hold(file, "a trial of tlbench-doctor") as claim:
        claim.check()
        held = claims.is_held(file)
    return "" if held and not file.exists() else "loses claims"


def _exclusive(folder: Path) -> str:
    """Create a file that is there already, which of two processes one must not be able to."""
    file = folder / "exclusive"
    file.touch()
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return ""
    return "creates a file exclusively that is there already"


def _rename(folder: Path) -> str:
    """Rename a folder to a new name, and a second one to that name, which must fail."""
    target = folder / "committed"
    for name in ("first", "second"):
        (folder / name).mkdir()
        (folder / name / "stage.json").write_text(name)
    (folder / "first").rename(target)
    try:
        (folder / "second").rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        kept = (target / "stage.json").read_text() == "first"
        return "" if kept else "changes a folder though its rename fails"
    return "renames a folder over one that is not empty"


def _clock_skew(folder: Path) -> float:
    """Return by how many seconds the file system's clock differs from this machine's."""
    file = folder / "clock"
    before = time.time()
    file.write_text("now")
    after, stamp = time.time(), file.stat().st_mtime
    return max(0.0, before - stamp, stamp - after)


_TRIALS = (_claim, _exclusive, _rename)
