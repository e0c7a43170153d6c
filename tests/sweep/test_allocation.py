from typing import Any

import pytest

from tlbench.sweep.allocation import Allocation

PLAIN = {"nodes": 1, "tasks_per_node": 1, "timeout_min": 240, "additional_parameters": {}}


@pytest.mark.parametrize(
    ("asked", "gpus", "cores"),
    [
        ({}, 0, 1),
        ({"cpus_per_task": 4, "tasks_per_node": 2}, 0, 8),
        ({"gpus_per_node": 2, "nodes": 2, "cpus_per_gpu": 6}, 4, 24),
        ({"gpus_per_task": 1, "tasks_per_node": 2}, 2, 2),
        ({"gres": "gpu"}, 1, 1),
        ({"gres": "lscratch:10,gpu:a100:2"}, 2, 1),
        ({"gres": "lscratch:10"}, 0, 1),
        ({"additional_parameters": {"gpus-per-node": "a100:2"}}, 2, 1),
        ({"additional_parameters": {"gpus": 3}}, 3, 1),
        ({"additional_parameters": None}, 0, 1),
    ],
)
def test_what_a_job_holds(asked: dict[str, Any], gpus: int, cores: int) -> None:
    assert Allocation.of(PLAIN | asked) == Allocation(gpus, cores, 240)


def test_a_sweep_asks_for_all_of_its_jobs_and_uses_what_they_take() -> None:
    assert Allocation(2, 8, 90).described(100, [1800.0, 3600.0]) == (
        "asked of Slurm: 100 jobs x 2 GPUs x 1:30:00: 300 GPU hours; expected: about 3"
    )
    assert Allocation(1, 8, 90, stages=4).described(25, [1800.0, 3600.0]) == (
        "asked of Slurm: 25 jobs x 1 GPU x 1:30:00: 37.5 GPU hours; expected: at most about 1.5"
    )
    assert Allocation(0, 4, 30).described(3, None) == (
        "asked of Slurm: 3 jobs x 4 cores x 0:30:00: 6 core hours; expected: not known"
    )
