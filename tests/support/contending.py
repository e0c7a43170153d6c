"""Processes that want overlapping stages of one store, killed at random and started again.

For ``tests/store/test_contention.py``, in a process of its own: it forks the others, which so have
imported already what they need. The training is a stand-in of a few tenths of a second; the
runner, the store and its claims are the real ones. Half of the processes believe to be on another
host.

    python -m tests.support.contending FOLDER PROCESSES STAGES KILLS SEED

Prints how many stages were begun and committed, and what went wrong; exits with 0 if nothing did.
"""

import json
import os
import random
import signal
import socket
import sys
import time
import traceback
import types
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import SoftFileLease

from tlbench.jobs.loggers import JobLogs
from tlbench.jobs.runner import StageRunner
from tlbench.plan.stage import Need
from tlbench.store import claims
from tlbench.store.store import Store
from tlbench.training.context import StageContext

LINES = 400  # of weights: written in many parts, so that a kill cuts them off


@dataclass(frozen=True)
class Stage:
    """Stands for ``tlbench.plan.stage.Stage``: every third begins from the one before it."""

    number: int
    config = types.SimpleNamespace(
        keep_weights="needed", only_stage=None, seed=0, encoder=types.SimpleNamespace(name="none")
    )
    is_single = True
    wants_cross_fit = False
    trains = True
    run = f"{__name__}.make"

    @property
    def key(self) -> str:
        return f"{self.number:016x}"

    @property
    def title(self) -> str:
        return f"task{self.number}"

    title_and_seed = title

    @property
    def tasks(self) -> tuple[str, ...]:
        return (self.title,)

    @property
    def subsets(self) -> list[Any]:
        task = types.SimpleNamespace(metrics=[])
        return [types.SimpleNamespace(name=self.title, task=task, count=1, test_digest=None)]

    @property
    def start(self) -> Need | None:
        before: Any = Stage(self.number - 1)
        return Need(before, before.title) if self.number % 3 else None

    @property
    def needs(self) -> list[Need]:
        return [self.start] if self.start else []

    def graph(self) -> list[Any]:
        return [*(self.start.stage.graph() if self.start else ()), self]

    def starts(self) -> list[Any]:
        return self.graph()[:-1]

    def fingerprint(self) -> dict[str, Any]:
        return {"number": self.number}


def note(folder: Path, *words: str) -> None:
    with (folder / "log").open("a") as log:  # one short write, which is not mixed with others
        log.write(" ".join(words) + "\n")


def make(run: StageContext, loggers: Any) -> dict[str, Any]:
    """Write weights that say what they were made from; see that those are whole."""
    folder = run.folder.parents[2]
    note(folder, "begun", run.stage.key)
    before = (run.start / "weights.txt").read_text() if run.start else ""
    if run.start and before.count("\n") != LINES:
        note(folder, "half", run.stage.key)
    weights = run.folder / "weights" / run.stage.title / "weights.txt"
    weights.parent.mkdir(parents=True, exist_ok=True)
    with weights.open("w") as file:
        for line in range(LINES):
            file.write(f"{run.stage.title} {line} {len(before)}\n")
            if line % 20 == 0:
                file.flush()
                time.sleep(0.02)
    task = {"train_rows": 1, "selected_by": 0.5, "score": 0.5, "metrics": {}}
    return {
        "tasks": {run.stage.title: task},
        "steps": 1,
        "instances": 1,
        "seconds": 0.1,
        "weights": list(run.stage.tasks),
    }


def work(folder: Path, number: int, stages: int, seed: int) -> None:
    """Want all stages, in an order of one's own."""
    claims.HEARTBEAT, claims.LEASE, claims.POLL = 0.2, 4.0, 0.2
    host = f"{socket.gethostname()}-{number % 2}"
    socket.gethostname = lambda: host
    store = Store(folder / "store")
    commit = store.commit

    def watched(key: str, work: Path, found: dict[str, Any], claim: claims.Claim) -> Any:
        made = commit(key, work, found, claim)
        if not work.exists():
            note(folder, "committed", key)
        return made

    store.commit = watched  # type: ignore[method-assign]
    opened = JobLogs([])
    for stage in random.Random(seed + number).sample(range(stages), stages):
        last: Any = Stage(stage)
        manifest = StageRunner(store, opened, last.graph(), last).ensure(last, {last.title})
        if manifest["key"] != last.key:
            note(folder, "wrong", manifest["key"])


def main() -> int:
    folder = Path(sys.argv[1])
    processes, stages, kills, seed = map(int, sys.argv[2:])
    chance = random.Random(seed)
    running = {_start(folder, number, stages, seed): number for number in range(processes)}
    killed, failed, folders, due = 0, 0, dict[Path, set[int]](), time.monotonic() + 0.1
    while running:
        for file in folder.glob("store/*/stage.json"):  # a second commit is another folder
            folders.setdefault(file.parent, set()).add(file.parent.stat().st_ino)
        if killed < kills and time.monotonic() > due:
            os.kill(chance.choice(_at_work(folder, running) or list(running)), signal.SIGKILL)
            due = time.monotonic() + chance.uniform(0.02, 0.4)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            number = running.pop(pid)
            if os.WIFSIGNALED(status):
                killed += 1
                running[_start(folder, number, stages, seed + killed)] = number
            failed += os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
        time.sleep(0.005)
    print(
        json.dumps(
            _found(folder)
            | {
                "killed": killed,
                "failed": failed,
                "replaced": sum(len(inodes) > 1 for inodes in folders.values()),
            }
        )
    )
    return 0


def _at_work(folder: Path, running: dict[int, int]) -> list[int]:
    """The processes that hold a claim: who only waits for others has nothing to leave behind."""
    holders = [SoftFileLease(file).pid for file in folder.glob("store/.work/*.claim")]
    return [pid for pid in holders if pid in running]


def _found(folder: Path) -> dict[str, Any]:
    store = Store(folder / "store")
    said = Counter(tuple(line.split()) for line in (folder / "log").read_text().splitlines())
    by_word = {word: [n for (w, _), n in said.items() if w == word] for word, _ in said}
    return {
        "stages": len(store.finished()),
        "damaged": [key for key in store.finished() if store.damage(key)],
        "begun": sum(by_word["begun"]),
        "most_commits": max(by_word["committed"]),
        "half": len(by_word.get("half", ())) + len(by_word.get("wrong", ())),
    }


def _start(folder: Path, number: int, stages: int, seed: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work(folder, number, stages, seed)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
