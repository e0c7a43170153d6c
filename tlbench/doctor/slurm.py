"""Slurm: whether it is here and answers, and which launcher a sweep then takes."""

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import NamedTuple

from tlbench.doctor.cpu import usable_cores
from tlbench.doctor.devices import cuda_gpus
from tlbench.doctor.finding import Finding
from tlbench.errors import UserError
from tlbench.sweep.slurm import array_size_in, lines

_TIMEOUT = 10.0  # seconds for an answer
_SHOWN = 6  # partitions
_FORMAT = "%P|%a|%l|%D|%G"  # partition with * for the default, state, time limit, nodes, GPUs


class Partition(NamedTuple):
    """A partition as ``sinfo`` says it; ``time`` is the limit of a job."""

    name: str
    is_default: bool
    is_up: bool
    time: str
    has_gpus: bool


def slurm() -> Iterator[Finding]:
    """Yield what sweeps can be launched with."""
    if "SLURM_JOB_ID" in os.environ:
        found = f"this is inside Slurm job {os.environ['SLURM_JOB_ID']}"
        yield Finding("note", "slurm", found, _local("a sweep in this allocation"))
        return
    if missing := [name for name in ("sbatch", "sinfo") if shutil.which(name) is None]:
        found = f"no {' and no '.join(missing)} here: sweeps run on this machine, a job at a time"
        yield Finding("ok", "slurm", found, _local("several"))
        return
    printed = answer("sinfo", "--noheader", f"--format={_FORMAT}")
    if printed is None:
        found = f"sbatch is here, but sinfo gives no answer in {_TIMEOUT:.0f} s or fails"
        yield Finding("problem", "slurm", found, "Ask sinfo yourself, or the site's support.")
        return
    yield from _cluster(partitions(printed))


def partitions(printed: list[str]) -> list[Partition]:
    """Return what ``sinfo`` has printed, a partition once though its nodes differ."""
    found: dict[str, Partition] = {}
    for line in printed:
        if line.count("|") != _FORMAT.count("|"):
            continue
        word, state, time, _, gres = (cell.strip() for cell in line.split("|"))
        name, has_gpus = word.removesuffix("*"), "gpu" in gres
        before = found.get(name)
        has_gpus = has_gpus or (before is not None and before.has_gpus)
        found[name] = Partition(name, word.endswith("*"), state == "up", time, has_gpus)
    return list(found.values())


def answer(*command: str, timeout: float = _TIMEOUT) -> list[str] | None:
    """Return the lines that a command of Slurm's prints; None if it fails or takes too long."""
    try:
        return lines(*command, timeout=timeout)
    except (OSError, UserError):
        return None


def _cluster(found: list[Partition]) -> Iterator[Finding]:
    up = [one for one in found if one.is_up]
    listed = ", ".join(_described(one) for one in up[:_SHOWN])
    more = f" and {len(up) - _SHOWN} more" if len(up) > _SHOWN else ""
    size = array_size_in(answer("scontrol", "show", "config") or ())
    arrays = "MaxArraySize is not known" if size is None else f"MaxArraySize {size}"
    said = f"partitions {listed}{more}; {arrays}" if up else f"no partition is up; {arrays}"
    if find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        found_text = f"{said}; submitit's launcher is not installed"
        yield Finding("note", "slurm", found_text, "Run pip install 'tlbench[slurm]'.")
    elif not up:
        yield Finding("problem", "slurm", said, "Wait, or ask the site's support.")
    else:
        yield Finding(
            "ok", "slurm", said, f"Set {_launcher(up)} for a sweep (docs/start/cluster.md)."
        )


def _described(one: Partition) -> str:
    words = ["default"] * one.is_default + ["GPUs"] * one.has_gpus + [one.time]
    return f"{one.name} ({', '.join(words)})"


def _launcher(up: list[Partition]) -> str:
    """Return the overrides that submit to the first partition with GPUs, else to the default."""
    chosen = min(up, key=lambda one: (not one.has_gpus, not one.is_default))
    gpus = " hydra.launcher.gpus_per_node=1" if chosen.has_gpus else ""
    return f"hydra/launcher=slurm hydra.launcher.partition={chosen.name}{gpus}"


def _local(what: str) -> str:
    """Return the advice how to run several jobs at a time on this machine; none for one core."""
    has_gpus, cores = bool(cuda_gpus()), usable_cores()
    if not has_gpus and cores == 1:
        return ""
    installed = find_spec("hydra_plugins.hydra_joblib_launcher") is not None
    needs = "" if installed else " (after pip install 'tlbench[parallel]')"
    jobs = "gpus" if has_gpus else f"joblib hydra.launcher.n_jobs={cores}"
    return f"Set hydra/launcher={jobs}{needs} for {what}."
