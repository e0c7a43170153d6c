"""What other machines say of themselves."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tlbench.doctor.finding import Finding

Gpus = Callable[..., None]

XEON = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8480C
flags\t\t: fpu vme avx2 avx512f avx512_bf16 amx_bf16 avx512_fp16 amx_tile amx_int8

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: another
flags\t\t: fpu
"""
HASWELL = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R) CPU E5-2680 v3\nflags\t\t: fpu avx avx2\n"
GRAVITON = "processor\t: 0\nBogoMIPS\t: 2100.00\nFeatures\t: fp asimd sve i8mm bf16 dgh\n"


def only(found: Iterable[Finding]) -> Finding:
    """The one finding."""
    (one,) = found
    return one


def v2(root: Path, **files: str) -> Path:
    """A control group of version 2, ``/job``; what /proc/self/cgroup says of a process in it."""
    return _group(root / "job", root, "0::/job\n", files)


def v1(root: Path, controller: str, **files: str) -> Path:
    """The same of a controller of version 1."""
    return _group(root / controller / "job", root, f"4:{controller}:/job\n0::/\n", files)


def _group(folder: Path, root: Path, said: str, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    (root / "of_process").write_text(said)
    return root / "of_process"
