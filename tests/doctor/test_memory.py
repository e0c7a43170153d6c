"""Memory of the machine and of a control group."""

from types import SimpleNamespace

import psutil
import pytest
import yaml

from tests.doctor.machines import only
from tlbench.config.search_path import CONF_DIR
from tlbench.doctor import cgroups
from tlbench.doctor.finding import Finding
from tlbench.doctor.memory import ENOUGH, memory


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(total=64_000_000_000, available=48_000_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: there)


def found(monkeypatch: pytest.MonkeyPatch, limit: int | None, free: int | None) -> Finding:
    monkeypatch.setattr(cgroups, "limits", lambda: cgroups.Limits(None, limit, free))
    return only(memory())


@pytest.mark.usefixtures("machine")
def test_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    one = found(monkeypatch, None, None)
    assert (one.level, one.found) == ("ok", "48.0 GB of 64.0 GB free")


@pytest.mark.usefixtures("machine")
def test_what_a_cgroup_leaves_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = found(monkeypatch, 16_000_000_000, 9_000_000_000)
    assert one.level == "ok"
    assert one.found.startswith("9.0 GB of 64.0 GB free; a cgroup allows 16.0 GB, and a process")


@pytest.mark.usefixtures("machine")
def test_little_memory_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    one = found(monkeypatch, 16_000_000_000, 1_000_000_000)
    assert one.level == "note"
    assert "Set micro_batch_size=8" in one.advice


def test_enough_is_what_a_slurm_job_asks_for() -> None:
    launcher = yaml.safe_load((CONF_DIR / "hydra" / "launcher" / "slurm.yaml").read_text())
    assert launcher["mem_gb"] * 1e9 == ENOUGH
