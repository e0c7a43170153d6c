"""GPUs: those that torch can use, and those that it can't."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from tlbench.config import gpus
from tlbench.doctor.finding import Finding

_BF16_SINCE = 8  # major compute capability: Ampere


class Gpu(NamedTuple):
    """A GPU that torch can use; ``memory`` in bytes, ``has_bf16`` whether it multiplies it."""

    name: str
    memory: int
    capability: str
    has_bf16: bool

    def __str__(self) -> str:
        bf16 = "bf16" if self.has_bf16 else "no bf16"
        memory = f"{self.memory / 2**30:.1f} GiB"
        return f"{self.name} ({memory}, compute capability {self.capability}, {bf16})"


def cuda_gpus() -> list[Gpu]:
    """Return the GPUs that torch knows as CUDA's, AMD's among them."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [_gpu(number) for number in range(count)]


def devices(nodes: Path = Path("/dev")) -> Iterator[Finding]:
    """Yield what stages are trained on, and how to train on more.

    Args:
        nodes: the folder of device files, of which NVIDIA's driver makes some.
    """
    found, there = cuda_gpus(), gpus.available({}, nodes)
    if found:
        yield _cuda(found)
    elif torch.backends.mps.is_available():
        yield Finding(
            "note",
            "device",
            "an Apple GPU (MPS), which trainer.accelerator=auto takes; tlbench is not tested on it",
            "Set trainer.accelerator=cpu.",
        )
    elif there:
        yield _unusable(len(there))
    else:
        defaults = "trainer.accelerator=auto and trainer.devices=1, the defaults, train on it"
        yield Finding("ok", "device", f"the CPU, as torch finds no GPU; {defaults}")


def _unusable(count: int) -> Finding:
    """Return why torch finds none of NVIDIA's GPUs, of which there are some."""
    listed = f"{count} NVIDIA GPU{'s are' if count > 1 else ' is'} there"
    if os.environ.get(gpus.VISIBLE, "-").strip() in ("", "-1"):
        found = f"{listed}, which {gpus.VISIBLE} hides from torch: stages are trained on the CPU"
        return Finding("note", "device", found, f"Unset {gpus.VISIBLE} to train on a GPU.")
    build = "is a build for CPUs" if torch.version.cuda is None else "can't use its driver"
    found = f"{listed}, but torch {torch.__version__} {build}: stages are trained on the CPU"
    advice = "Install torch's CUDA build for the driver (pytorch.org, Get Started)."
    return Finding("problem", "device", found, advice)


def _gpu(number: int) -> Gpu:
    properties = torch.cuda.get_device_properties(number)
    # AMD's numbers mean something else, and torch computes bf16 on all that it supports.
    has_bf16 = torch.version.hip is not None or properties.major >= _BF16_SINCE
    capability = f"{properties.major}.{properties.minor}"
    return Gpu(properties.name, properties.total_memory, capability, has_bf16)


def _cuda(found: list[Gpu]) -> Finding:
    listed = ", ".join(f"{count} x {gpu}" for gpu, count in Counter(found).items())
    if len(found) == 1:
        defaults = "trainer.accelerator=auto and trainer.devices=1, the defaults, train on it"
        return Finding("ok", "device", f"{listed}; {defaults}")
    return Finding(
        "note",
        "device",
        f"{listed}; by default a run trains on one of them",
        "Set hydra/launcher=gpus for a sweep, which then trains on all at once (it needs "
        "tlbench[parallel]), or trainer.devices=auto to share out each batch of a run.",
    )
