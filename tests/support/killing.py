"""Runs ``python -m tlbench`` again and again, killed by SIGKILL at given moments, until it ends.

For ``tests/jobs/test_killed.py``, in a process of its own that has imported all that a job needs;
each run is a fork of it, so that a run does not begin with seconds of imports.

    python -m tests.support.killing '[{"folder": ..., "arguments": [...], "kills": [...]}]'

A kill is a number of seconds after a stage's training begins, or the name of a moment below and
which time it is met. Prints, for every entry, the exit codes of its runs; -9: it was killed.
"""

import json
import os
import random
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from tlbench.models.multitask import MultiTaskModel
from tlbench.records.record import ResultRecord
from tlbench.store import store
from tlbench.synthesis import write
from tlbench.synthesis.tries import Tries
from tlbench.training import predictions, train
from tlbench.training.best import BestPerTask
from tlbench.training.last_checkpoint import LastCheckpoint
from tlbench.training.module import MultiTaskModule

# Where a run is cut off, just before or just after a function: owner, its name, after or before.
MOMENTS: dict[str, tuple[Any, str, bool]] = {
    "step": (MultiTaskModule, "on_before_optimizer_step", False),
    "evaluation": (MultiTaskModule, "validation_step", True),
    "half of the best weights": (MultiTaskModel, "save_head", False),
    "weights, no checkpoint": (LastCheckpoint, "on_validation_end", False),
    "half a checkpoint": (pl.Trainer, "save_checkpoint", True),
    "checkpoint": (LastCheckpoint, "write", True),
    "finish": (BestPerTask, "finish", False),
    "one task's weights moved": (Path, "rename", True),
    "predictions": (predictions, "write_predictions", True),
    "stage.json": (store, "write_sealed", True),
    "record": (ResultRecord, "write", False),
}
# The same while a language model writes rows.
OF_ROWS: dict[str, tuple[Any, str, bool]] = {
    "a batch of rows": (Tries, "add", True),
    "half a batch of rows": (Tries, "add", True),
    "a file of rows": (write, "write_rows", True),
}


def main() -> None:
    print(json.dumps([_until_it_ends(**entry) for entry in json.loads(sys.argv[1])]))


def _until_it_ends(folder: str, arguments: list[str], kills: list[Any]) -> list[int]:
    codes: list[int] = []
    left = list(kills)
    while not codes or codes[-1] == -signal.SIGKILL:
        kill = left.pop(0) if left else None
        child = os.fork()
        if not child:
            _be_tlbench(folder, arguments, kill)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return codes


def _be_tlbench(folder: str, arguments: list[str], kill: Any) -> None:
    os.chdir(folder)
    with Path("said.log").open("ab", 0) as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    if isinstance(kill, list):
        _die_at(*kill)
    elif kill is not None:
        _die_in_training(kill)
    sys.argv = ["tlbench", *arguments]
    code = 0
    try:
        runpy.run_module("tlbench", run_name="__main__", alter_sys=False)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _die_in_training(seconds: float) -> None:
    original = train.train_stage

    def watched(*arguments: Any) -> Any:
        victim = os.getpid()
        if not os.fork():
            time.sleep(seconds)
            if os.getppid() == victim:  # else it has ended
                os.kill(victim, signal.SIGKILL)
            os._exit(0)
        return original(*arguments)

    train.train_stage = watched


def _die_at(moment: str, time_met: int) -> None:
    owner, name, after = {**MOMENTS, **OF_ROWS}[moment]
    original: Callable[..., Any] = getattr(owner, name)
    met = 0

    def cut(*arguments: Any, **options: Any) -> Any:
        nonlocal met
        meant = moment != "one task's weights moved" or Path(arguments[1]).parent.name == "weights"
        met += meant
        due = meant and met == time_met
        if due and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if due and moment == "half a batch of rows":
            os.truncate(arguments[0].file, arguments[0].file.stat().st_size - 9)
        if due and moment == "half a checkpoint":
            os.truncate(arguments[1], random.randrange(Path(arguments[1]).stat().st_size))
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, cut)


if __name__ == "__main__":
    main()
