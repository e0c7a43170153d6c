"""What a control group allows this process: a container, a Slurm job, or a slice of systemd.

The files are described in the kernel's documentation: "Control Group v2", and "Control Groups
version 1".
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
OF_PROCESS = Path("/proc/self/cgroup")
_UNLIMITED = 2**60  # bytes; version 1 has a number near 2^63 for no limit


class Limits(NamedTuple):
    """What is allowed; None where nothing limits it.

    Attributes:
        cores: of CPU time, not a whole number.
        memory: bytes.
        free: bytes that are left of them; what the kernel can drop of its cache is counted.
    """

    cores: float | None = None
    memory: int | None = None
    free: int | None = None


def limits(root: Path = ROOT, of_process: Path = OF_PROCESS) -> Limits:
    """Return the tightest limits of the groups that this process is in."""
    cores: list[float] = []
    memory: list[int] = []
    free: list[int] = []
    for folder in _folders(root, of_process):
        if (quota := _cores(folder)) is not None:
            cores.append(quota)
        limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
        if limit is not None and limit < _UNLIMITED:
            memory.append(limit)
            free.append(max(0, limit - _used(folder)))
    return Limits(min(cores, default=None), min(memory, default=None), min(free, default=None))


def _folders(root: Path, of_process: Path) -> Iterator[Path]:
    """Yield the folders of this process's groups and of those above, as far as they are there."""
    try:
        lines = of_process.read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, inside = line.split(":", 2)
        # Version 1 has a folder for each controller, "cpu,cpuacct" among them; version 2 one.
        top = root / controllers if controllers else root
        folder = top / inside.lstrip("/")
        # A container may be told its host's path, of which it sees only the top.
        yield from (one for one in (folder, *folder.parents) if one.is_relative_to(top))


def _cores(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        used = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        return used[0] / used[1] if used[0] and used[1] and used[0] > 0 else None
    return None if quota == "max" else int(quota) / int(period)


def _used(folder: Path) -> int:
    used = _number(folder / "memory.current", folder / "memory.usage_in_bytes") or 0
    try:
        words = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return used
    return used - int(words.get("total_inactive_file", words.get("inactive_file", 0)))


def _number(*files: Path) -> int | None:
    """Return the number in the first of the files that holds one."""
    for file in files:
        try:
            return int(file.read_text())
        except (OSError, ValueError):  # it is not there, or says "max"
            continue
    return None
