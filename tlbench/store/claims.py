"""Claims: files that say who is at work, kept fresh by a heartbeat, on any file system.

A claim is a ``SoftFileLease`` of filelock: a file that is created exclusively and touched while its
holder lives. It is a hint and no fence: a process that was stopped for longer than a lease may have
lost its claim. So it asks ``Claim.check`` before it renames, and while it trains.

Two things are left to do here. The library takes the processes of another host of the same name for
its own, and for dead; and it takes nothing over where two names can't be exchanged, as on NFS.
"""

import logging
import os
import random
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from tlbench.errors import UserError

log = logging.getLogger(__name__)

HEARTBEAT = 5.0  # seconds
LEASE = 60.0  # seconds without a heartbeat, after which another may take a claim over
POLL = 2.0  # seconds between two looks of one who waits, at most
_MOMENT = 0.5  # seconds for which a claim may be out of its place while another looks at it
_SKEW = 600.0  # seconds by which the clocks of two hosts may differ
_INITIAL_NAMESPACE = "effffffc"  # of PIDs: PROC_PID_INIT_INO of Linux, in hexadecimal


class ClaimLostError(UserError):
    """A claim that this process held is another's."""


@dataclass(frozen=True)
class Claim:
    """A claim that is held, as plain data that other processes can be given.

    Attributes:
        token: what the file says as long as nobody else has taken it over.
        what: the thing that is claimed, for a person.
    """

    file: Path
    token: str
    what: str

    def check(self) -> None:
        """See that the claim is still held.

        Raises:
            ClaimLostError: if another process has taken it over.
        """
        for wait in (_MOMENT, 0.0):
            owner = _owner(self.file)
            if owner is not None and owner.token == self.token:
                return
            time.sleep(wait)
        raise ClaimLostError(
            f"Another process has taken over {self.what}: this one was stopped, or cut off from "
            f"{self.file.parent}, for {LEASE:.0f} s or more; the same command again waits for that "
            f"one and goes on with what it has saved."
        )


@contextmanager
def hold(file: Path, what: str) -> Iterator[Claim]:
    """Hold the claim ``file``, waiting while another process holds it.

    Raises:
        ClaimLostError: instead of any error that comes up once the claim is another's.
    """
    lease = _acquire(file, what)
    claim = Claim(file, str(lease.token), what)
    try:
        yield claim
    except Exception:
        claim.check()
        raise
    finally:
        lease.release()


def is_held(file: Path) -> bool:
    """Whether a process that may be alive holds the claim; writes nothing."""
    try:
        age = time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return False
    return age < LEASE + _SKEW and not _is_dead(_owner(file))


class _Lease(SoftFileLease):
    def _try_break_stale_lock(self) -> None:
        """Leave to ``_acquire`` whatever is not of this very machine."""
        owner = self.owner
        if owner is not None and _is_here(owner):
            super()._try_break_stale_lock()


def _acquire(file: Path, what: str) -> _Lease:
    """Take a claim: as soon as it is free, or has been without a heartbeat for long enough."""
    lease, watch = _new_lease(file), _Watch(file)
    if not _is_taken_by(lease):
        log.info("  waiting for %s, which another process trains (%s)", what, file)
        while not _is_taken_by(lease):
            if not watch.pause():
                lease = _new_lease(file)  # else the library counts that time too
            elif watch.is_stale:
                _remove(file, watch.seen)
    return lease


def _is_taken_by(lease: _Lease) -> bool:
    with suppress(Timeout, LeaseSettingsMismatch):
        lease.acquire(blocking=False)
    return lease.is_locked


class _Watch:
    """What one who waits has seen of a claim, in time in which it was not stopped itself."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen: tuple[int, int] | None = None
        self._quiet = 0.0
        self._pause = POLL / 16
        self._patience = HEARTBEAT * random.uniform(1, 2)  # of several that wait one comes first

    def pause(self) -> bool:
        """Wait and look; whether this process has run meanwhile."""
        began = time.monotonic()
        time.sleep(self._pause)
        before, self.seen = self.seen, _look(self.file)
        ran = time.monotonic() - began < self._pause + HEARTBEAT
        # Was it stopped, then the holder maybe with it: that there was no heartbeat says nothing.
        self._quiet = self._quiet + self._pause if ran and self.seen == before else 0.0
        self._pause = min(2 * self._pause, POLL)
        return ran

    @property
    def is_stale(self) -> bool:
        """Whether the library would have taken over the claim by now, if it could."""
        late = self._quiet - self._patience
        return late > 0 and (late > LEASE or _is_dead(_owner(self.file)))


def _new_lease(file: Path) -> _Lease:
    return _Lease(file, lease_duration=LEASE, heartbeat_interval=HEARTBEAT, thread_local=False)


def _owner(file: Path) -> Any:
    """The process, host and token that a claim names; None if there is none, or not all of it."""
    return SoftFileLease(file).owner


def _look(file: Path) -> tuple[int, int] | None:
    """What changes whenever a claim is touched, or is another's; None if there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns


def _remove(file: Path, seen: tuple[int, int] | None) -> None:
    """Remove a stale claim, and not that of somebody who was faster."""
    aside = file.with_name(f"{file.name}-{uuid.uuid4().hex[:8]}")
    with suppress(FileNotFoundError):
        file.rename(aside)
        if _look(aside) != seen:
            with suppress(OSError):  # or somebody was faster still: then its holder has lost it
                os.link(aside, file)
        aside.unlink()


def _is_here(owner: Any) -> bool:
    """Whether a claim's process runs under this kernel, in this PID namespace: its PID tells.

    A name alone does not: hosts may share it. The library records beside it the namespace, if it
    is not the initial one, and in the high bits of when the process started the kernel's boot id.
    """
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")  # of Linux
    if owner.start is None or not (boot.exists() and namespace.exists()):
        return False
    name, _, inode = owner.hostname.partition("?pidns-")
    return (name, inode or _INITIAL_NAMESPACE, owner.start >> 64) == (
        socket.gethostname(),
        f"{namespace.stat().st_ino:x}",
        int(boot.read_text().strip().replace("-", ""), 16),
    )


def _is_dead(owner: Any) -> bool:
    """Whether a claim's holder is a process of this machine that is no more."""
    if owner is None or not _is_here(owner):
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # somebody else's
    return False
