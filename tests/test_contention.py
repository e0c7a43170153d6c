"""Many processes that want overlapping stages, killed at random: each is committed once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tlbench

SLOW = os.environ.get("TLBENCH_SLOW_TESTS") == "1"
RUNS = [(8, 12, 100, seed) for seed in range(8)] if SLOW else [(8, 9, 20, 0)]


@pytest.mark.parametrize(("processes", "stages", "kills", "seed"), RUNS)
def test_each_stage_is_committed_once_by_processes_that_are_killed(
    tmp_path: Path, processes: int, stages: int, kills: int, seed: int
) -> None:
    numbers = map(str, (processes, stages, kills, seed))
    ran = subprocess.run(
        [sys.executable, "-m", "tests.contending", str(tmp_path), *numbers],
        capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    print(found)
    assert found["stages"] == stages
    assert found["killed"] >= min(kills, 10)
    assert stages < found["begun"] <= stages + found["killed"]
    assert found["most_commits"] == 1
    for nothing in ("damaged", "failed", "half", "replaced"):
        assert not found[nothing], nothing


def test_no_lock_of_the_system_is_used() -> None:
    """The store works on file systems that have none."""
    for file in Path(tlbench.__file__).parent.rglob("*.py"):
        words = set(re.findall(r"\w+", file.read_text()))
        assert not words & {"fcntl", "filelock", "flock", "lockf"}, file
