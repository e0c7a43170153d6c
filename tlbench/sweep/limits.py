"""What ends a sweep before its end: the first failure, or that its time is used up."""

import shutil
import time
from dataclasses import dataclass, field

from tlbench.console import notice
from tlbench.errors import UserError
from tlbench.jobs.followed import ProgressFolder

TRY_AGAIN = 75  # exit code: as sysexits.h has it for what the same command can finish later


class OutOfTimeError(UserError):
    """The time of a sweep is used up before all of its experiments are there."""

    exit_code = TRY_AGAIN


@dataclass
class Limits:
    """Until when jobs may begin.

    Attributes:
        folder: by which the jobs are told.
        fail_fast: whether none may after one has failed.
        max_hours: since the sweep began; None for as long as it takes.
        hours_key: the override that says them.
        is_used_up: whether those are over.
    """

    folder: ProgressFolder
    fail_fast: bool = False
    max_hours: float | None = None
    hours_key: str = "hydra.sweeper.max_hours"
    is_used_up: bool = False
    _began: float = field(default_factory=time.monotonic)

    def check(self, detach: bool = False) -> None:
        """Make sure that there is time at all, and somebody to end the sweep.

        Args:
            detach: whether nobody waits for the jobs.

        Raises:
            UserError: if not.
        """
        if detach and (self.fail_fast or self.max_hours is not None):
            name = "fail_fast" if self.fail_fast else "max_hours"
            raise UserError(
                f"Remove hydra.sweeper.detach=true or hydra.sweeper.{name}: a sweep that is left "
                "has nobody to end it."
            )
        if self.max_hours is not None and not self.max_hours > 0:
            raise UserError(
                f"Change {self.hours_key}: {self.max_hours:g} is no time; null is no limit."
            )

    def open(self) -> None:
        """Let jobs begin."""
        self.folder.open()

    def discard(self) -> None:
        """Let jobs begin, of which nobody follows what they do."""
        shutil.rmtree(self.folder.path, ignore_errors=True)

    @property
    def are_reached(self) -> bool:
        """Whether no further job begins."""
        self.check_time()
        return self.folder.is_closed

    def check_time(self) -> None:
        """Have the jobs stop once the time is used up."""
        if self.max_hours is None or self.is_used_up:
            return
        if time.monotonic() - self._began >= 3600 * self.max_hours:
            self.is_used_up = True
            self.folder.close(stop=True)
            notice(
                f"{self.hours_key}={self.max_hours:g} is used up: no further job begins, "
                "and those that run save where they are."
            )

    def note_failure(self) -> None:
        """Have no further job begin, if the first failure is to end the sweep."""
        if self.fail_fast:
            self.folder.close()

    @property
    def reason(self) -> str:
        """The override that has kept jobs from being run."""
        if self.is_used_up:
            return f"{self.hours_key}={self.max_hours:g} is used up"
        return "hydra.sweeper.fail_fast=true"
