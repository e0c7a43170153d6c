"""What the jobs of a bundle share; how they run is in test_beside.py and sweep/test_bundles.py."""

import os

import pytest

from tlbench.config import gpus
from tlbench.jobs.bundle import environment_of


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "8")
    monkeypatch.setenv(gpus.VISIBLE, "")


@pytest.mark.parametrize(("count", "threads"), [(1, "8"), (3, "2"), (16, "1")])
def test_cores_are_shared(count: int, threads: str) -> None:
    assert environment_of(0, count) == {"OMP_NUM_THREADS": threads}


def test_without_a_number_of_cores_all_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    cores = len(os.sched_getaffinity(0))
    assert environment_of(0, 1) == {"OMP_NUM_THREADS": str(cores)}


def test_threads_that_are_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment_of(0, 2) == {}


def test_every_one_has_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "4,6")
    assert [environment_of(i, 3)[gpus.VISIBLE] for i in range(3)] == ["4", "6", "4"]
