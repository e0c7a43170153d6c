import platform
import subprocess
import sys

import pytest

from tlbench.training import malloc

FAULTS = """
import resource, sys
import torch
from tlbench.training.malloc import keep_freed
if "keep" in sys.argv:
    assert keep_freed()
def work():
    for size in range(40, 60):
        torch.ones(size, 2**18)  # 40 to 60 MiB, freed at once
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to")
def test_freed_memory_is_not_fetched_again() -> None:
    faults = {}
    for how in ("keep", "return"):
        ran = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        faults[how] = int(ran.stdout)
    assert faults["keep"] < faults["return"] / 10


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malloc.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.delattr(malloc, "ctypes")
    assert not malloc.keep_freed()
