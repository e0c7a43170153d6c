"""Submits jobs to Slurm that no process waits for, as Hydra's launcher of submitit would."""

import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hydra.core.singleton import Singleton

from tlbench.errors import UserError
from tlbench.jobs.awaiting import Awaited, AwaitingTask
from tlbench.sweep import slurm
from tlbench.sweep.plan import SweepJob

_OF_EXECUTOR = ("max_num_timeout", "python")  # what submitit takes where it makes the executor
_LIMIT = re.compile(r"Submit\w*Limit")  # AssocMaxSubmitJobLimit, QOSMaxSubmitJobPerUserLimit, ...


@dataclass(frozen=True)
class Request:
    """A job to submit.

    Attributes:
        name: what the sweep knows it by.
        awaited: the stages that it begins with and other jobs train.
        after: the arrays of those jobs; it begins when they have ended, however.
    """

    name: str
    job: SweepJob
    awaited: tuple[Awaited, ...] = ()
    after: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Submitted:
    """A job that Slurm has.

    Attributes:
        id: ``12_3`` in an array, else ``12``.
        log: the file of what its process prints on standard error.
    """

    id: str
    log: str


@dataclass
class Submitter:
    """Submits jobs with what ``hydra.launcher`` says of partition, devices, time and so on.

    Attributes:
        launcher: submitit's, set up; it runs a job on its node as in a sweep that waits.
        options: the config ``hydra.launcher``.
        size: how many jobs an array may have.
        room: how many jobs this user may still submit; None if there is no limit.
    """

    launcher: Any
    options: dict[str, Any]
    size: int
    room: int | None
    _numbers: Iterator[int] = field(default_factory=count)

    def submit(self, wave: Sequence[Request]) -> Iterator[list[tuple[Request, Submitted]]]:
        """Submit jobs that can run beside each other, in as few arrays as the site allows.

        Yields every array once Slurm has it. The last jobs are left out where there is no room.
        All arrays together run ``array_parallelism`` jobs at a time: each has its share, and where
        there are more arrays than that, the later ones wait for earlier ones.

        Raises:
            UserError: if Slurm refuses an array for another reason than that limit.
        """
        fitting = wave if self.room is None else wave[: self.room]
        parts = [fitting[i : i + self.size] for i in range(0, len(fitting), self.size)]
        parallel = int(self.options["array_parallelism"])
        arrays: list[str] = []
        for i, part in enumerate(parts):
            after = {array for request in part for array in request.after}
            if i >= parallel:
                after.add(arrays[i - parallel])
            share = max(1, parallel // len(parts) + (i < parallel % len(parts)))
            submitted = self._submit(part, after, share)
            if not submitted:
                self.room = 0
                return
            arrays.append(slurm.array_of(submitted[0].id))
            if self.room is not None:
                self.room -= len(part)
            yield list(zip(part, submitted, strict=True))

    def _submit(self, part: Sequence[Request], after: set[str], share: int) -> list[Submitted]:
        """Submit one array; return its jobs, none if the user may not have so many."""
        try:
            with redirect_stderr(io.StringIO()):  # submitit prints there what it raises
                executor = self._executor(after, share)
                with executor.batch():
                    jobs = [executor.submit(*self._call(request)) for request in part]
        except (RuntimeError, NameError, ValueError, AssertionError) as error:
            said = f"{type(error).__name__}: {error}" if not str(error).strip() else str(error)
            if _LIMIT.search(said):
                return []
            raise UserError(
                f"Change hydra.launcher: Slurm refuses {len(part)} jobs ({said.strip()}); what it "
                "took before goes on, and the same command again submits the rest."
            ) from error
        return [Submitted(job.job_id, str(job.paths.stderr)) for job in jobs]

    def _executor(self, after: set[str], share: int) -> Any:
        import submitit

        options = {name: value for name, value in self.options.items() if name != "_target_"}
        folder = options.pop("submitit_folder")
        of_executor = {f"slurm_{n}": options.pop(n) for n in _OF_EXECUTOR if n in options}
        executor = submitit.AutoExecutor(folder, cluster="slurm", **of_executor)
        more = dict(options.pop("additional_parameters", None) or {})
        own = [f"afterany:{':'.join(sorted(after))}"] if after else []
        if asked := [*own, *filter(None, [more.pop("dependency", None)])]:
            options["dependency"] = ",".join(asked)  # all of them
        options |= {"additional_parameters": more, "array_parallelism": share}
        executor.update_parameters(**{f"slurm_{name}": value for name, value in options.items()})
        return executor

    def _call(self, request: Request) -> tuple[Any, ...]:
        """Return what submitit calls on the node, and its arguments."""
        launcher, number = copy(self.launcher), next(self._numbers)
        launcher.task_function = AwaitingTask(launcher.task_function, request.awaited)
        overrides, state = list(request.job.overrides), Singleton.get_state()
        return launcher, overrides, "hydra.sweep.dir", number, f"job_id_for_{number}", state


def make_submitter(
    launcher: Any, options: dict[str, Any], max_batch_size: int | None, max_submit: int | None
) -> Submitter:
    """Return a submitter that keeps to what the site allows.

    Args:
        launcher, options: see ``Submitter``.
        max_batch_size: how many jobs an array may have, if less than the site's own limit.
        max_submit: how many jobs this user may have in the queue; None asks Slurm.

    Raises:
        UserError: if Slurm does not answer.
    """
    size = min(slurm.max_array_size(), max_batch_size or sys.maxsize)
    limit = max_submit or slurm.max_submit(options.get("account"), options.get("qos"))
    room = None if limit is None else max(0, limit - slurm.queued_count())
    return Submitter(launcher, options, size, room)
