"""A Slurm of files: its commands keep a queue in a JSON file, and a test decides what runs."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.singleton import Singleton

from tests.support import slurm_command
from tests.support.slurm_command import ENDED

_COMMANDS = ("sbatch", "squeue", "sacct", "sacctmgr", "scancel", "scontrol", "srun")
_EMPTY: dict[str, Any] = {
    "next": 1,
    "jobs": {},  # by id: state, reason; what is not here Slurm has forgotten
    "arrays": {},  # by id: the options of sbatch
    "accounts": {},  # by id: a state, as sacct has it
    "array_size": 1001,
    "submit_limit": "",  # what sacctmgr says
    "refuses_over": None,  # jobs, whatever sacctmgr says
    "down": False,
}


class Slurm:
    """What the fake commands have been asked, and what becomes of the jobs."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.write_text(json.dumps(_EMPTY))

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def set(self, **values: Any) -> None:
        self.file.write_text(json.dumps(self.state | values))

    @property
    def queue(self) -> dict[str, str]:
        """The states of the jobs that have not ended, by id."""
        jobs = self.state["jobs"].items()
        return {one: job["state"] for one, job in jobs if job["state"] not in ENDED}

    @property
    def arrays(self) -> dict[str, dict[str, str]]:
        """What sbatch was told of each array: its options by name."""
        found: dict[str, dict[str, str]] = self.state["arrays"]
        return found

    def becomes(self, job_id: str, state: str) -> None:
        jobs = self.state["jobs"]
        jobs[job_id]["state"] = state
        self.set(jobs=jobs)

    def forgets(self, *job_ids: str) -> None:
        self.set(jobs={one: job for one, job in self.state["jobs"].items() if one not in job_ids})

    def run(self, job_id: str) -> None:
        """Run a job in this process, as submitit does on a node; its errors end there."""
        from submitit.core.utils import DelayedSubmission

        array, _, task = job_id.partition("_")
        log = Path(self.arrays[array]["output"].replace("%A_%a", job_id).replace("%j", job_id))
        ids = {"SLURM_JOB_ID": job_id, "SUBMITIT_EXECUTOR": "slurm"}
        ids |= {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task} if task else {}
        singletons = Singleton.get_state()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in ids.items():
                patch.setenv(name, value)
            DelayedSubmission.load(log.parent / f"{job_id}_submitted.pkl").result()
        Singleton.set_state(singletons)
        self.becomes(job_id, "COMPLETED")  # Hydra catches what a job raises

    def run_all(self) -> None:
        """Run what waits, each after what it depends on."""
        while ready := [job for job in self.queue if self._may_start(job)]:
            for job in ready:
                self.run(job)
        assert self.queue == {}

    def _may_start(self, job_id: str) -> bool:
        told = self.arrays[job_id.partition("_")[0]].get("dependency", "")
        before = set(told.removeprefix("afterany:").split(":")) if told else set()
        return not any(other.partition("_")[0] in before for other in self.queue)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name in _COMMANDS:
        command = folder / name
        command.write_text(
            f'#!/bin/sh\nexec {sys.executable} -I -S {slurm_command.__file__} {name} "$@"\n'
        )
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder / "state.json"))
    return Slurm(folder / "state.json")
