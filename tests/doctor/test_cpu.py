"""The CPU, its cores, torch's threads, and bf16."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.doctor.machines import GRAVITON, HASWELL, XEON, only
from tlbench.doctor import cgroups, cpu

Machine = Callable[..., None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Have a machine with so many cores, of which a process may use some."""

    def make(cores: int, allowed: int, quota: float | None = None, threads: int = 1) -> None:
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
        monkeypatch.setattr(cgroups, "limits", lambda: cgroups.Limits(quota))
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    return make


def written(folder: Path, text: str) -> Path:
    (folder / "cpuinfo").write_text(text)
    return folder / "cpuinfo"


@pytest.mark.parametrize(
    ("quota", "limited"), [(None, ""), (64, ""), (3.5, ", and a cgroup allows 3.5")]
)
def test_the_cpu_and_the_cores_that_may_be_used(
    machine: Machine, tmp_path: Path, quota: float | None, limited: str
) -> None:
    machine(112, 16, quota)
    found = only(cpu.cpu(written(tmp_path, XEON)))
    name = "Intel(R) Xeon(R) Platinum 8480C"
    assert found.found == f"{name}, 16 of 112 cores may be used{limited}"
    assert found.level == "ok"


def test_a_cpu_of_which_the_system_says_no_name(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(8, 8)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    for cpuinfo in (tmp_path / "none", written(tmp_path, GRAVITON)):
        assert only(cpu.cpu(cpuinfo)).found == "arm64, 8 of 8 cores may be used"


@pytest.mark.parametrize(
    ("allowed", "quota", "cores"), [(16, None, 16), (16, 3.5, 3), (16, 0.5, 1), (2, 8, 2)]
)
def test_cores_that_can_be_kept_busy(
    machine: Machine, allowed: int, quota: float | None, cores: int
) -> None:
    machine(64, allowed, quota)
    assert cpu.usable_cores() == cores


def test_more_threads_than_a_cgroup_has_cores(machine: Machine) -> None:
    machine(64, 64, quota=4, threads=32)
    found = only(cpu.threads())
    assert found.level == "note"
    assert found.found == "torch takes 32, for 4 usable cores: they wait for each other"
    assert found.advice == "Set trainer.threads=4."


def test_threads_that_a_variable_has_made_too_few(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(2, 2, threads=1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = only(cpu.threads())
    assert found.level == "note"
    assert found.found.startswith("torch takes 1 (OMP_NUM_THREADS=1), for 2 usable cores: a run")
    assert found.advice.startswith("Set trainer.threads=2, ")


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (8, 8), (8, 4)])  # 4: without twins
def test_threads_that_suit_the_cores(machine: Machine, cores: int, threads: int) -> None:
    machine(cores, cores, threads=threads)
    assert only(cpu.threads()).level == "ok"


@pytest.mark.parametrize(
    ("kind", "text", "level", "has"),
    [
        ("x86_64", XEON, "ok", "avx512_bf16 yes, amx_bf16 yes"),
        ("AMD64", XEON.replace("amx_bf16", ""), "ok", "avx512_bf16 yes, amx_bf16 no"),
        ("x86_64", HASWELL, "note", "avx512_bf16 no, amx_bf16 no: on this CPU trainer.precision="),
        ("aarch64", GRAVITON, "ok", "bf16 yes"),
    ],
)
def test_instructions_for_bf16(
    kind: str, text: str, level: str, has: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: kind)
    found = only(cpu.instructions(written(tmp_path, text)))
    assert found.level == level
    assert found.found.startswith(has)


def test_nothing_is_said_of_instructions_where_the_system_says_nothing(tmp_path: Path) -> None:
    assert list(cpu.instructions(tmp_path / "none")) == []
