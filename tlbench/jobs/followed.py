"""What the jobs of a sweep leave for it while they run, and what it leaves for them.

The sweep makes a folder, ``.progress``, beside the folders of its jobs. While a job runs, a small
file there says what it does; so the sweep can follow jobs of every launcher, on every node that
shares the file system. In the same way it tells them to begin nothing more, or to stop.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from tlbench import progress
from tlbench.jobs import signals
from tlbench.progress import Progress

log = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between two writings of a job's file, at least
HEARTBEAT = 10.0  # seconds after which it is written though nothing has changed
_CLOSED, _STOP = "closed", "stop"  # files by which the sweep tells its jobs


@dataclass(frozen=True)
class Report:
    """What a job's file says.

    Attributes:
        seconds: since the job began.
        has_ended: whatever came of it.
    """

    progress: Progress
    seconds: float
    has_ended: bool


@dataclass(frozen=True)
class ProgressFolder:
    """The files of a sweep's jobs, by the names of their folders."""

    sweep: Path

    @property
    def path(self) -> Path:
        return self.sweep / ".progress"

    def open(self) -> None:
        """Create the folder; an earlier sweep's word to its jobs is no longer valid."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (_CLOSED, _STOP):
            (self.path / name).unlink(missing_ok=True)

    def close(self, stop: bool = False) -> None:
        """Have no further job begin; ``stop``: and those that run save where they are, and end."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (_CLOSED, *([_STOP] if stop else [])):
            (self.path / name).touch()

    @property
    def is_closed(self) -> bool:
        return (self.path / _CLOSED).exists()

    @property
    def tells_to_stop(self) -> bool:
        return (self.path / _STOP).exists()

    def file(self, job: Path) -> Path:
        """Return the file of the job with this folder."""
        name = Path(os.path.relpath(job, self.sweep)).as_posix().replace("/", "+")
        return self.path / f"{name}.json"


def read_report(file: Path) -> Report | None:
    """Return what a job's file says; None if it is not there."""
    try:
        report = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    return Report(Progress(**report.pop("progress")), **report)


@contextmanager
def followed(sweep: Path | None, job: Path) -> Iterator["Follower | None"]:
    """Around a job: leave what it does for its sweep, if that follows its jobs.

    Args:
        sweep: the sweep's folder; None if the job is of none.
        job: the job's own.
    """
    folder = ProgressFolder(sweep) if sweep else None
    if folder is None or not folder.path.is_dir():
        progress.begin(is_followed=False)
        yield None
        return
    progress.begin(is_followed=True)
    try:
        with Follower(folder, job) as follower:
            yield follower
    finally:
        progress.begin(is_followed=False)


class Follower(threading.Thread):
    """Writes the job's file, and ends the job when the sweep says so.

    Attributes:
        may_begin: whether the sweep still lets jobs begin.
        has_stopped: whether it has told this one to stop.
    """

    def __init__(self, folder: ProgressFolder, job: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.file = folder.file(job)
        self.may_begin = not folder.is_closed
        self.has_stopped = False
        self._stopped_in_training = False
        self._began = self._written_at = time.monotonic()
        self._written: Progress | None = None
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if self.may_begin:
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.may_begin:
            self._over.set()
            self.join()
            self._write(has_ended=True)

    def run(self) -> None:
        self._write()
        while not self._over.wait(INTERVAL):
            late = time.monotonic() - self._written_at >= HEARTBEAT
            if late or progress.now() != self._written:
                self._write()
            if self.folder.tells_to_stop:
                self._stop_job()

    def close(self) -> None:
        """Have no further job of the sweep begin, as this one has failed."""
        self.folder.close()

    def _stop_job(self) -> None:
        trains = progress.now().phase in progress.TRAINING
        # Once more in training: whatever runs before may not listen (submitit's jobs do not).
        if not self.has_stopped or (trains and not self._stopped_in_training):
            self.has_stopped, self._stopped_in_training = True, trains
            signals.stop_own_job()

    def _write(self, has_ended: bool = False) -> None:
        now = progress.now()
        seconds = round(time.monotonic() - self._began, 1)
        report = {"progress": asdict(now), "seconds": seconds, "has_ended": has_ended}
        draft = self.file.with_suffix(f".{os.getpid()}")
        # The folder may be gone with the sweep, or full: that is no reason to end a job.
        with suppress(OSError):
            draft.write_text(json.dumps(report), "utf-8")
            draft.replace(self.file)
        self._written, self._written_at = now, time.monotonic()
