"""Claims: files that say which process is at work on something, on any shared file system.

A claim is a ``SoftFileLease`` of filelock: a file that is created exclusively and touched while its
holder lives (its heartbeat). It is a hint and no fence: a process that was suspended for longer
than a lease may have lost its claim. So it calls ``Claim.check`` before it renames anything, and
while it trains.

Two cases are handled here and not by the library. It judges by the host's name whether a process is
of this machine, so it takes processes of another host of the same name for dead ones of this. And
it takes no claim over where two names can't be exchanged atomically, as on NFS.
"""

import logging
import os
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from tlbench.errors import UserError
from tlbench.progress import doing
from tlbench.store.owners import has_ended, is_local, owner_of

log = logging.getLogger(__name__)

HEARTBEAT = 5.0  # seconds
LEASE = 60.0  # seconds without a heartbeat, after which another process may take a claim over
POLL = 2.0  # seconds between two looks of a waiting process, at most
_EXCHANGE = 0.5  # seconds for which a claim may be renamed while another process examines it
_CLOCK_SKEW = 600.0  # seconds by which the clocks of two hosts may differ

Stamp = tuple[int, int]  # inode and mtime in ns: differs once a claim is touched, or replaced


class ClaimLostError(UserError):
    """A claim that this process held has been taken over by another."""


@dataclass(frozen=True)
class Claim:
    """A claim that is held, as plain data that other processes can be given.

    Attributes:
        token: what the file says as long as no other process has taken it over.
        what: the thing that is claimed, for a person.
    """

    file: Path
    token: str
    what: str

    def check(self) -> None:
        """Make sure that the claim is still held.

        Raises:
            ClaimLostError: if another process has taken it over.
        """
        # A waiting process renames a claim to examine it: one look may find it missing.
        for pause in (_EXCHANGE, 0.0):
            owner = owner_of(self.file)
            if owner is not None and owner.token == self.token:
                return
            time.sleep(pause)
        raise ClaimLostError(
            f"Another process has taken over {self.what}: this one was suspended, or cut off from "
            f"{self.file.parent}, for {LEASE:.0f} s or more; the same command again waits for that "
            f"one and goes on with what it has saved."
        )


@contextmanager
def hold(file: Path, what: str) -> Iterator[Claim]:
    """Hold the claim ``file``, after waiting for any other process that holds it.

    Raises:
        ClaimLostError: in place of any error that is raised inside once the claim is lost.
    """
    lease = _acquire(file, what)
    claim = Claim(file, str(lease.token), what)
    try:
        yield claim
    except Exception:
        # What failed may have failed because the new holder has moved files: say that instead.
        claim.check()
        raise
    finally:
        lease.release()


def is_held(file: Path) -> bool:
    """Return whether a process that may be alive holds the claim; write nothing."""
    try:
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return False
    return age < LEASE + _CLOCK_SKEW and not has_ended(owner_of(file))


class _Lease(SoftFileLease):
    def _try_break_stale_lock(self) -> None:
        """Leave to ``_acquire`` every claim that is not of this very machine."""
        owner = self.owner
        if owner is not None and is_local(owner):
            super()._try_break_stale_lock()


def _acquire(file: Path, what: str) -> _Lease:
    """Take a claim as soon as it is free, or has been without a heartbeat for long enough."""
    lease, watch = _new_lease(file), _Watch(file)
    if not _try_acquire(lease):
        log.info("  waiting for %s, which another process is at work on (%s)", what, file)
        with doing(f"waiting for {what}"):
            while not _try_acquire(lease):
                if not watch.pause():
                    # The library too counts the time without a heartbeat: a new lease starts at 0.
                    lease = _new_lease(file)
                elif watch.is_stale:
                    _remove_stale(file, watch.stamp)
    return lease


def _new_lease(file: Path) -> _Lease:
    return _Lease(file, lease_duration=LEASE, heartbeat_interval=HEARTBEAT, thread_local=False)


def _try_acquire(lease: _Lease) -> bool:
    with suppress(Timeout, LeaseSettingsMismatch):
        lease.acquire(blocking=False)
    return lease.is_locked


class _Watch:
    """Measures how long a claim has had no heartbeat, while this process itself was running.

    Attributes:
        stamp: of the claim when it was last looked at.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.stamp: Stamp | None = None
        self._quiet = 0.0  # seconds without a heartbeat
        self._pause = POLL / 16
        self._margin = HEARTBEAT * random.uniform(1, 2)  # so that one of several waiters is first

    def pause(self) -> bool:
        """Sleep, then look at the claim; return whether this process has run meanwhile."""
        began = time.monotonic()
        time.sleep(self._pause)
        previous, self.stamp = self.stamp, _stamp(self.file)
        ran = time.monotonic() - began < self._pause + HEARTBEAT
        # If this process was suspended, the holder may have been with it (a closed laptop): the
        # missing heartbeats then say nothing about the holder.
        self._quiet = self._quiet + self._pause if ran and self.stamp == previous else 0.0
        self._pause = min(2 * self._pause, POLL)
        return ran

    @property
    def is_stale(self) -> bool:
        """Whether the library would have taken over the claim by now, if it could."""
        late = self._quiet - self._margin
        return late > 0 and (late > LEASE or has_ended(owner_of(self.file)))


def _stamp(file: Path) -> Stamp | None:
    """Return the stamp of a claim; None if it is not there."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _remove_stale(file: Path, stamp: Stamp | None) -> None:
    """Remove a stale claim, unless another process has replaced it meanwhile."""
    # Rename, then compare: to compare and then remove would leave a moment in between, in which
    # another waiter may make a claim of its own that would be removed.
    renamed = file.with_name(f"{file.name}-{uuid.uuid4().hex[:8]}")
    with suppress(FileNotFoundError):
        file.rename(renamed)
        if _stamp(renamed) != stamp:
            # Put it back. Where a third process has made one by now, its holder has lost it, which
            # ``Claim.check`` tells it.
            with suppress(OSError):
                os.link(renamed, file)
        renamed.unlink()
