"""The folders in which stages are trained, before they are renamed into the store."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHECKPOINT = "last.ckpt"  # in the folder of a training that is not finished
TRIES = "tries.jsonl"  # in that of a stage that has written rows, and not yet all


def to_go_on_from(folder: Path) -> Path | None:
    """Return the file of an unfinished stage that the next process goes on from, if it has one."""
    files = (folder / name for name in (CHECKPOINT, TRIES))
    return next((file for file in files if file.exists()), None)


@contextmanager
def open_work_folder(parent: Path, key: str) -> Iterator[Path]:
    """Yield a folder to train a stage in: one left by an interrupted process, or a new one.

    It is removed at the end, unless it was committed or holds what to go on from.
    """
    folder = parent / f"{key}-{uuid.uuid4().hex[:8]}"
    if not _take_over(parent, key, folder):
        folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        # After a commit the folder has another name. One with nothing to go on from is of no use.
        if to_go_on_from(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)


def _take_over(parent: Path, key: str, folder: Path) -> bool:
    """Rename the stage's folder with the latest work to ``folder``; False if there is none.

    The new name keeps its former owner out: a process that was only suspended still writes by the
    old name, which no longer exists.
    """
    written: dict[Path, float] = {}
    for checkpoint in filter(None, map(to_go_on_from, parent.glob(f"{key}-*"))):
        with suppress(FileNotFoundError):  # tlbench-store may be pruning old ones
            written[checkpoint] = checkpoint.stat().st_mtime
    for checkpoint in sorted(written, key=written.__getitem__, reverse=True):
        with suppress(FileNotFoundError):
            checkpoint.parent.rename(folder)
            # A suspended process may have a draft open, and would write into it when it wakes up:
            # unlinked, what it writes goes nowhere.
            for draft in folder.glob("*.draft"):
                draft.unlink(missing_ok=True)
            return True
    return False
