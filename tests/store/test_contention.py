"""Processes that want the same stages, killed or stopped: each stage is committed once."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from tlbench.records.record import read_record
from tlbench.store.store import Store

pytestmark = pytest.mark.slow

SLOW = os.environ.get("TLBENCH_SLOW_TESTS") == "1"
RUNS = [(8, 12, 100, seed) for seed in range(8)] if SLOW else [(8, 9, 20, 0)]


@pytest.mark.parametrize(("processes", "stages", "kills", "seed"), RUNS)
def test_each_stage_is_committed_once_by_processes_that_are_killed(
    tmp_path: Path, processes: int, stages: int, kills: int, seed: int
) -> None:
    numbers = map(str, (processes, stages, kills, seed))
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.contending", str(tmp_path), *numbers],
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    assert ran.returncode == 0, ran.stderr
    counts = json.loads(ran.stdout)
    print(counts)
    assert counts["stages"] == stages
    assert counts["killed"] >= min(kills, 10)
    assert stages < counts["begun"] <= stages + counts["killed"]
    assert counts["most_commits"] == 1
    for problem in ("damaged", "failed", "half", "replaced"):
        assert not counts[problem], problem


def test_no_lock_of_the_system_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store works on file systems that have none."""
    for name in ("flock", "lockf"):
        monkeypatch.setattr(fcntl, name, None)
    store = Store(tmp_path)
    key = "0" * 16
    with store.claim(key) as claim, store.work_folder(key, claim) as work:
        store.commit(key, work, {"weights": []}, claim)
    assert store.finished() == [key]


SHORT_LEASES = (
    "from tlbench.store import claims\n"
    "claims.HEARTBEAT, claims.LEASE, claims.POLL = 0.2, 2.0, 0.2\n"
    "from tlbench.__main__ import main\nmain()"
)
LONG_STAGE = (
    "debug=fast",
    "trainer.max_steps=100",
    "trainer.max_epochs=50",
    "eval_every=5",
    "trainer.checkpoint_steps=5",
    "keep_weights=all",
)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SHORT_LEASES, *arguments, *LONG_STAGE],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_until(words: str, stderr: IO[str] | None) -> None:
    assert stderr is not None
    assert any(words in line for line in stderr), f"it never said {words!r}"


@pytest.mark.parametrize("in_sweep", [False, True])
def test_a_holder_that_was_stopped_for_longer_than_its_lease_touches_nothing(
    tmp_path: Path, in_sweep: bool
) -> None:
    """Its stage is another's by then, who goes on with it; in a sweep it waits for the stage."""
    sweep = ["-m", "hydra.verbose=[tlbench]"] if in_sweep else []  # its log is on the screen then
    first = start(tmp_path, *sweep, "hydra.run.dir=first", "study=first")
    read_until("checkpoint at step 10", first.stderr)
    first.send_signal(signal.SIGSTOP)
    second = start(tmp_path, "hydra.run.dir=second")
    read_until("going on from step ", second.stderr)
    first.send_signal(signal.SIGCONT)
    assert first.stderr is not None
    stderr = first.stderr.read()
    code = first.wait(timeout=100)
    assert second.communicate(timeout=100)[1].count("Traceback") == 0
    assert second.returncode == 0
    assert "Traceback" not in stderr
    assert sum("Another process has taken over stage " in line for line in stderr.splitlines()) == 1
    store = Store(tmp_path / "multirun" / ".store")
    (key,) = store.finished()
    assert store.damage(key) == []
    assert list(store.work.iterdir()) == []
    records = [read_record(file) for file in tmp_path.rglob("result.json")]
    assert [record.status for record in records] == ["done"] * (1 + in_sweep)
    assert code == (0 if in_sweep else 1)
