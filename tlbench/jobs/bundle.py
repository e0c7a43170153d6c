"""Several jobs of a sweep that one Slurm job runs beside each other, each in its own process."""

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from tlbench.config import gpus
from tlbench.jobs import beside
from tlbench.jobs.awaiting import leave_failure
from tlbench.jobs.beside import Ended

_CORES = "SLURM_CPUS_PER_TASK"  # which a job is granted; without cgroups it sees all of the node's
_THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Member:
    """A job of a bundle.

    Attributes:
        launcher: submitit's, set up: called with the rest it runs the job.
        number: of the job in its sweep.
        singletons: Hydra's, of the process that submits.
    """

    launcher: Any
    number: int
    overrides: tuple[str, ...]
    singletons: Mapping[type, Any]

    @classmethod
    def of(cls, launcher: Any, number: int, overrides: Sequence[str]) -> "Member":
        """Return a job as it is to run in another process, where Hydra is as in this one."""
        return cls(launcher, number, tuple(overrides), Singleton.get_state())

    def as_submitted(self) -> tuple[Any, ...]:
        """Return what submitit calls for a Slurm job of this job alone, and its arguments."""
        job_id = f"job_id_for_{self.number}"
        overrides = list(self.overrides)
        return self.launcher, overrides, "hydra.sweep.dir", self.number, job_id, self.singletons

    def __call__(self, task: Callable[[DictConfig], Any] | None = None) -> JobReturn:
        """Run the job, or ``task`` in its place, and return what came of it."""
        launcher, *arguments = self.as_submitted()
        launcher = copy(launcher)
        launcher.task_function = task or launcher.task_function
        returned: JobReturn = launcher(*arguments)
        return returned


@dataclass(frozen=True)
class Bundle:
    """Jobs that run beside each other; called by submitit on the node.

    Attributes:
        size: how many there may be, ``stages_per_job``: what each gets is a part of so many.
    """

    members: tuple[Member, ...]
    size: int

    def __call__(self) -> list[JobReturn]:
        """Run all jobs, and return what came of each.

        A job that raises or is killed has failed, and the others go on. A job that is run once
        more after a requeue finds in the store what is finished, and goes on from its checkpoint.

        Raises:
            SystemExit: once all jobs have saved, if the Slurm job is told to stop or requeued.
        """
        environments = [environment_of(i, self.size) for i in range(len(self.members))]
        outcomes = beside.run(self.members, environments)
        pairs = zip(self.members, outcomes, strict=True)
        return [one(Failed(of.reason)) if isinstance(of, Ended) else of for one, of in pairs]

    def checkpoint(self) -> Any:
        """Return what submitit is to run after a requeue: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(frozen=True)
class Failed:
    """Stands for the task of a job whose process was ended: leaves that in the job's folder."""

    reason: str

    def __call__(self, cfg: DictConfig) -> Any:
        raise leave_failure(cfg, self.reason)


def environment_of(place: int, count: int) -> dict[str, str]:
    """Return the variables of one of at most ``count`` processes: its share of cores and GPUs.

    Not by how many there are: a stage that was cut off and runs with fewer others later would have
    more threads, and not go on to the same bits. What the user has set of threads stays.
    """
    variables = {}
    if _THREADS not in os.environ:
        cores = int(os.environ.get(_CORES) or len(os.sched_getaffinity(0)))
        variables[_THREADS] = str(max(1, cores // count))
    if shared := gpus.shared(place, count):
        variables[gpus.VISIBLE] = ",".join(shared)
    return variables
