"""Memory: what is free, and what a control group leaves of it."""

from collections.abc import Iterator

import psutil

from tlbench.doctor import cgroups
from tlbench.doctor.finding import Finding, gigabytes

ENOUGH = 8e9  # bytes: what conf/hydra/launcher/slurm.yaml asks for a job


def memory() -> Iterator[Finding]:
    """Yield how much memory this process can get."""
    machine, group = psutil.virtual_memory(), cgroups.limits()
    free = machine.available if group.free is None else min(machine.available, group.free)
    found = f"{gigabytes(free)} of {gigabytes(machine.total)} free"
    if group.memory is not None and group.memory < machine.total:
        found += f"; a cgroup allows {gigabytes(group.memory)}, and a process over that is killed"
    if free >= ENOUGH:
        yield Finding("ok", "memory", found)
    else:
        yield Finding(
            "note",
            "memory",
            f"{found}; a Slurm job of tlbench's asks for {gigabytes(ENOUGH)}",
            "Set micro_batch_size=8, or a smaller encoder=, if a run is out of memory or killed.",
        )
