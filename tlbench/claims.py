"""Claims: files that say who is at work, kept fresh by a heartbeat, without locks.

They work on any file system that creates a file exclusively, NFS among them.
"""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

HEARTBEAT = 5.0  # seconds
STALE_AFTER = 60.0  # seconds without a heartbeat


@contextmanager
def hold(file: Path, what: str) -> Iterator[None]:
    """Hold the claim ``file``, waiting while another process holds a fresh one."""
    mine = f"{_machine()} {os.getpid()} {uuid.uuid4().hex}\n"
    if not _take(file, mine):
        log.info("  waiting for %s, which another process trains (%s)", what, file)
        while not _take(file, mine):
            time.sleep(0.2)
    stop = threading.Event()
    heart = threading.Thread(target=_beat, args=(file, stop), daemon=True)
    heart.start()
    try:
        yield
    finally:
        stop.set()
        heart.join()
        if _holder(file) == mine:
            file.unlink(missing_ok=True)


def is_held(file: Path) -> bool:
    """Whether a process that is alive holds the claim."""
    return file.exists() and not _stale(file)


def _take(file: Path, mine: str) -> bool:
    """Create the claim file, if there is none; remove one whose holder is dead."""
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        if _stale(file):
            # Two waiters may both come here, and the second remove a claim that is alive again:
            # then a stage is trained twice, which costs time and nothing else.
            file.unlink(missing_ok=True)
        return False
    with os.fdopen(descriptor, "w") as opened:
        opened.write(mine)
    return True


def _machine() -> str:
    """This host as its processes see it: a container counts its processes by itself."""
    namespace = Path("/proc/self/ns/pid")  # of Linux
    return f"{socket.gethostname()}/{namespace.stat().st_ino if namespace.exists() else ''}"


def _is_dead(holder: str) -> bool:
    """Whether a claim's holder is a process of this host that is no more."""
    machine, _, rest = holder.partition(" ")
    pid = rest.partition(" ")[0]
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # somebody else's
    return False


def _stale(file: Path) -> bool:
    """Whether a claim's holder is dead, or has missed its heartbeats.

    By the clock of the store's file system, since other hosts' clocks may differ.
    """
    if _is_dead(_holder(file)):
        return True
    probe = file.with_suffix(f".{uuid.uuid4().hex[:8]}.now")
    try:
        probe.touch()
        return probe.stat().st_mtime - file.stat().st_mtime > STALE_AFTER
    except FileNotFoundError:
        return False  # released in between
    finally:
        probe.unlink(missing_ok=True)


def _holder(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return ""


def _beat(file: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT):
        try:
            os.utime(file)
        except FileNotFoundError:
            return  # taken for stale: whoever took it trains the same stage
        except OSError as error:
            log.warning("The claim %s could not be kept fresh (%s).", file, error)
