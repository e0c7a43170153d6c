"""The CPU: its name, how many of its cores may be used and are, and what it has for bf16."""

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from tlbench.doctor import cgroups
from tlbench.doctor.finding import Finding

CPUINFO = Path("/proc/cpuinfo")
# By machine, the flags of instructions that multiply bf16.
_BF16 = {"x86_64": ("avx512_bf16", "amx_bf16"), "aarch64": ("bf16",)}


def cpu(cpuinfo: Path = CPUINFO) -> Iterator[Finding]:
    """Yield the CPU's name, and the cores that this process may use."""
    name = _field(cpuinfo, "model name") or platform.processor() or platform.machine()
    allowed, quota = _affinity(), cgroups.limits().cores
    limited = "" if quota is None or quota >= allowed else f", and a cgroup allows {quota:g}"
    yield Finding("ok", "cpu", f"{name}, {allowed} of {os.cpu_count()} cores may be used{limited}")


def usable_cores() -> int:
    """Return how many cores this process may keep busy: by its affinity and its cgroup."""
    quota = cgroups.limits().cores
    return _affinity() if quota is None else max(1, min(_affinity(), int(quota)))


def threads() -> Iterator[Finding]:
    """Yield whether torch's own choice of threads suits the cores."""
    cores, chosen = usable_cores(), torch.get_num_threads()
    variable = os.environ.get("OMP_NUM_THREADS")
    by = f" (OMP_NUM_THREADS={variable})" if variable else ""
    found = f"torch takes {chosen}{by}, for {cores} usable core{'s' if cores > 1 else ''}"
    if chosen > cores:
        yield Finding(
            "note", "threads", f"{found}: they wait for each other", f"Set trainer.threads={cores}."
        )
    elif 2 * chosen < cores or (variable and chosen < cores):
        advice = f"Set trainer.threads={cores}, unless several runs share the cores."
        yield Finding("note", "threads", f"{found}: a run leaves some idle", advice)
    else:
        yield Finding("ok", "threads", found)


def instructions(cpuinfo: Path = CPUINFO) -> Iterator[Finding]:
    """Yield whether the CPU multiplies bf16 itself; nothing where the system does not say."""
    machine = platform.machine().replace("AMD64", "x86_64")
    flags = (_field(cpuinfo, "flags") or _field(cpuinfo, "Features") or "").split()
    if not flags or machine not in _BF16:
        return
    has = ", ".join(f"{flag} {'yes' if flag in flags else 'no'}" for flag in _BF16[machine])
    if set(flags) & set(_BF16[machine]):
        yield Finding("ok", "instructions", has)
    else:
        found = f"{has}: on this CPU trainer.precision=bf16-mixed is likely no faster"
        yield Finding("note", "instructions", found)


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _field(cpuinfo: Path, name: str) -> str:
    """Return the first value of a field; empty if there is none."""
    try:
        text = cpuinfo.read_text("utf-8", errors="replace")
    except OSError:  # not Linux
        return ""
    found = re.search(rf"^{name}\s*:[ \t]*(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
