"""All that is looked at, in the order in which it is shown."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tlbench.doctor import cpu, devices, disk, hub, memory, precision, slurm, store_needs, versions
from tlbench.doctor.finding import Finding
from tlbench.doctor.wandb import wandb

Look = Callable[[], Iterable[Finding]]


def examine(store: Path, out: Path, measure: bool = True) -> Iterator[Finding]:
    """Yield what is found, each thing as soon as it is known.

    Args:
        store: ``store_dir`` of the runs to come.
        out: their output folder.
        measure: whether to train for some seconds, to know the fastest precision.
    """
    for what, look in _looks(store, out, measure):
        yield from guarded(what, look)


def guarded(what: str, look: Look) -> Iterator[Finding]:
    """Yield what a look finds; where it fails, that as a problem, so that the others go on."""
    try:
        yield from look()
    except Exception as error:  # a broken installation raises anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        yield Finding("problem", what, f"it could not be looked at: {reason}")


def _looks(store: Path, out: Path, measure: bool) -> Iterator[tuple[str, Look]]:
    yield "python", versions.python
    yield "packages", versions.packages
    yield "cpu", cpu.cpu
    yield "threads", cpu.threads
    yield "instructions", cpu.instructions
    yield "memory", memory.memory
    yield "device", devices.devices
    if measure:
        yield "precision", precision.precision
    yield "experiments", precision.own_precisions
    yield "hub", hub.hub
    yield "encoders", hub.encoders
    yield "wandb", wandb
    yield "slurm", slurm.slurm
    yield "shared memory", disk.shared_memory
    yield "open files", disk.open_files
    yield "store disk", partial(disk.room, "store disk", store, "store_dir")
    yield "output disk", partial(disk.room, "output disk", out, "hydra.run.dir and hydra.sweep.dir")
    yield "store", partial(store_needs.store_needs, store)
