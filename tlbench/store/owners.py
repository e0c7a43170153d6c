"""The process that a claim names: whether it runs on this machine, and whether it has ended."""

import os
import socket
from pathlib import Path
from typing import Any

from filelock import SoftFileLease

_INITIAL_NAMESPACE = "effffffc"  # of PIDs: PROC_PID_INIT_INO of Linux, in hexadecimal
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")


def owner_of(file: Path) -> Any:
    """Return the process, host and token that a claim names; None if it is not there or partial."""
    return SoftFileLease(file).owner


def is_local(owner: Any) -> bool:
    """Return whether a claim's process runs under this kernel, in this PID namespace.

    Only then does its PID mean anything here. A host's name does not tell, for hosts may share it.
    The library records beside it the namespace, if it is not the initial one, and in the high bits
    of the process's start time the kernel's boot id.
    """
    # Not Linux, or a claim without a start time: nothing can be said, so the lease alone decides.
    if owner.start is None or not (_BOOT_ID.exists() and _PID_NAMESPACE.exists()):
        return False
    hostname, _, inode = owner.hostname.partition("?pidns-")
    return (hostname, inode or _INITIAL_NAMESPACE, owner.start >> 64) == (
        socket.gethostname(),
        f"{_PID_NAMESPACE.stat().st_ino:x}",
        int(_BOOT_ID.read_text().strip().replace("-", ""), 16),
    )


def has_ended(owner: Any) -> bool:
    """Return whether a claim's holder was a process of this machine that no longer runs."""
    if owner is None or not is_local(owner):
        return False
    try:
        os.kill(owner.pid, 0)  # signal 0 only asks whether the process is there
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it runs, as another user
    return False
