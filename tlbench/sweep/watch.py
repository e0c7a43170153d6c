"""Follows the jobs of a sweep while they run, and says how far it is."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol, Self

from tlbench.console import notice
from tlbench.jobs.followed import ProgressFolder, Report, read_report
from tlbench.sweep.board import Board, Followed, clipped, result
from tlbench.sweep.limits import Limits
from tlbench.sweep.plan import Plan, SweepJob
from tlbench.sweep.screen import Screen, terminal

log = logging.getLogger(__name__)

LOOK = 0.5  # seconds between two looks at what the jobs have left
_REASON = 80  # characters of why a job has failed, in its line
SILENT = 50.0  # seconds without a line after which a log gets one


class Display(Protocol):
    """Where it is said: at the bottom of a terminal, or in the lines of a log."""

    def ended(self, board: Board, row: Followed, now: float) -> None: ...

    def look(self, board: Board, now: float) -> None: ...


class InLines:
    """A line for every job that ends, and one that says what runs where none has for a while."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def ended(self, board: Board, row: Followed, now: float) -> None:
        self._say(board.ended_line(row), now)

    def look(self, board: Board, now: float) -> None:
        if now - self._said_at >= SILENT:
            self._say(board.running_line(now), now)

    def _say(self, line: str, now: float) -> None:
        notice(line)
        self._said_at = now


class OnScreen:
    """Lines that stay at the bottom, and one above for every job that ends."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def ended(self, board: Board, row: Followed, now: float) -> None:
        self.screen.print(f"{row.title} {result(row)}")

    def look(self, board: Board, now: float) -> None:
        self.screen.refresh()


class Watch:
    """Follows jobs in a thread, from when they are launched until their launcher is done.

    Args:
        limits: until when jobs may begin; it is looked at too.
        progress_bar: ``trainer.progress_bar``.
    """

    def __init__(self, plan: Plan, limits: Limits, progress_bar: bool | None = None) -> None:
        self.limits = limits
        self.board = Board.of(plan.waves)
        self._scorings = plan.scorings
        self._seen = _Seen(limits.folder)
        self._jobs: list[SweepJob] = []  # that are launched and have not ended
        self._display: Display = InLines()
        stream = terminal(progress_bar)
        self._screen = Screen(stream, self._lines) if stream else None
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self._screen:
            self._display = OnScreen(self._screen.__enter__())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._screen:
            self._screen.__exit__()

    @contextmanager
    def following(self, jobs: Sequence[SweepJob]) -> Iterator[list[SweepJob]]:
        """Follow jobs while a block runs them; afterwards the list has those that were killed."""
        killed: list[SweepJob] = []
        with self._lock:
            if jobs and jobs[0] in self._scorings:
                self.board = Board.of([self._scorings], "experiments scored on test rows")
            self._seen.forget(jobs)
            self._jobs = list(jobs)
        try:
            yield killed
        finally:
            with self._lock:
                self._look()
                killed += [job for job in self._jobs if self.board.by_job[id(job)].runs]
                for job in list(self._jobs):
                    self._end(job)
                self._seen.forget(jobs)
                self._jobs = []

    def lose(self, jobs: Sequence[SweepJob]) -> None:
        """Note that jobs are never to run."""
        with self._lock:
            self.board.lose(jobs)

    def _run(self) -> None:
        while not self._over.wait(LOOK):
            try:
                self.limits.check_time()
                with self._lock:
                    self._look()
                    self._display.look(self.board, time.monotonic())
            except Exception as error:  # a file system that fails for a moment: the jobs go on
                log.debug("watch", exc_info=error)

    def _lines(self, width: int, height: int) -> list[str]:
        with self._lock:
            return self.board.lines(time.monotonic(), width, height)

    def _look(self) -> None:
        now = time.monotonic()
        for job, report in self._seen.changes(self._jobs):
            self.board.hear(job, report, now)
            if report.has_ended:
                self._end(job)

    def _end(self, job: SweepJob) -> None:
        failure = job.failure
        row = self.board.by_job[id(job)]
        if failure is None and not job.is_finished:
            row.report = None  # it was told to stop, or the launcher may run it once more
            return
        self._jobs.remove(job)
        # The end of the sweep says all of the reason, and where the log is.
        outcome = f"failed: {clipped(failure, _REASON)}" if failure else job.score
        self.board.end(job, outcome, failure is not None)
        if failure:
            self.board.lose([job])
        self._display.ended(self.board, row, time.monotonic())


class _Seen:
    """The files of the jobs, each read only where it has changed."""

    def __init__(self, folder: ProgressFolder) -> None:
        self.folder = folder
        self._stamps: dict[str, tuple[int, int]] = {}

    def changes(self, jobs: Sequence[SweepJob]) -> Iterator[tuple[SweepJob, Report]]:
        by_name = {self.folder.file(job.folder).name: job for job in jobs}
        if not self.folder.path.is_dir():  # somebody has removed it: then nobody says anything
            return
        with os.scandir(self.folder.path) as files:
            stamps = {file.name: _stamp(file) for file in files if file.name in by_name}
        for name, stamp in stamps.items():
            if stamp != self._stamps.get(name):
                report = read_report(self.folder.path / name)
                self._stamps[name] = stamp
                if report:
                    yield by_name[name], report

    def forget(self, jobs: Sequence[SweepJob]) -> None:
        """Remove the files of jobs: what they say is of an earlier run."""
        for job in jobs:
            file = self.folder.file(job.folder)
            file.unlink(missing_ok=True)
            self._stamps.pop(file.name, None)


def _stamp(file: "os.DirEntry[str]") -> tuple[int, int]:
    with suppress(FileNotFoundError):  # it was replaced just now
        status = file.stat()
        return status.st_ino, status.st_mtime_ns
    return 0, 0
