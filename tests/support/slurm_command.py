"""The commands of the Slurm of files in slurm.py, by the name that is the first argument."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

State = dict[str, Any]
ENDED = ("CANCELLED", "COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL")


def fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(1)


def show(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def option(words: list[str], name: str) -> str:
    return next((w.partition("=")[2] for w in words if w.startswith(f"--{name}=")), "")


def sbatch(state: State, words: list[str]) -> None:
    lines = re.findall(r"^#SBATCH --([\w-]+)(?:=(.*))?$", Path(words[-1]).read_text(), re.M)
    options = {name: value.strip("'") for name, value in lines}
    array = str(state["next"])
    size = int(re.sub(r"0-(\d+)%.*", r"\1", options["array"])) + 1 if "array" in options else 1
    waiting = sum(job["state"] not in ENDED for job in state["jobs"].values())
    if state["refuses_over"] is not None and waiting + size > state["refuses_over"]:
        fail("sbatch: error: QOSMaxSubmitJobPerUserLimit")
    if options.get("partition") == "none":
        fail("sbatch: error: invalid partition specified: none")
    if size > state["array_size"]:
        fail("sbatch: error: Batch job submission failed: Invalid job array specification")
    ids = [f"{array}_{task}" for task in range(size)] if "array" in options else [array]
    state["jobs"] |= {one: {"state": "PENDING", "reason": "Priority"} for one in ids}
    state["arrays"][array] = options
    state["next"] += 1
    print(f"Submitted batch job {array}")


def squeue(state: State, words: list[str]) -> None:
    if "--me" in words:
        show(i for i, job in state["jobs"].items() if job["state"] not in ENDED)
        return
    arrays = option(words, "jobs").split(",")
    found = [(i, job) for i, job in state["jobs"].items() if i.partition("_")[0] in arrays]
    if not found and len(arrays) == 1:
        fail("slurm_load_jobs error: Invalid job id specified")
    show(f"{i}|{job['state']}|{job['reason']}|0:07" for i, job in found)


def sacct(state: State, words: list[str]) -> None:
    if not state["accounts"]:
        fail("Slurm accounting storage is disabled")
    show(f"{i}|{how}" for i, how in state["accounts"].items())


def sacctmgr(state: State, words: list[str]) -> None:
    print(state["submit_limit"] if "qos" in words else f"lab|{state['submit_limit']}|normal")


def scancel(state: State, words: list[str]) -> None:
    for one in words:
        state["jobs"][one]["state"] = "CANCELLED"


def scontrol(state: State, words: list[str]) -> None:
    print(f"MaxArraySize            = {state['array_size']}")


COMMANDS: dict[str, Callable[[State, list[str]], None]] = {
    command.__name__: command for command in (sbatch, squeue, sacct, sacctmgr, scancel, scontrol)
}

if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    file = Path(os.environ["FAKE_SLURM"])
    queue = json.loads(file.read_text())
    if queue["down"]:
        fail(f"{name}: error: Unable to contact slurm controller")
    COMMANDS[name](queue, rest)
    file.write_text(json.dumps(queue))
