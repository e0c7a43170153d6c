"""Submits jobs to Slurm that no process waits for, as Hydra's launcher of submitit would."""

import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hydra.core.utils import JobReturn

from tlbench.errors import UserError
from tlbench.jobs.awaiting import Awaited, AwaitingTask
from tlbench.jobs.bundle import Bundle, Member
from tlbench.sweep import slurm
from tlbench.sweep.bundles import expected_lengths, in_bundles
from tlbench.sweep.plan import SweepJob

_OF_LAUNCHER = ("_target_", "stages_per_job")  # which submitit knows nothing of
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
        size: how many Slurm jobs an array may have.
        room: how many of them this user may still submit; None if there is no limit.
    """

    launcher: Any
    options: dict[str, Any]
    size: int
    room: int | None
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def per_job(self) -> int:
        """How many jobs run in a Slurm job."""
        return int(self.options.get("stages_per_job", 1))

    def submit(self, wave: Sequence[Request]) -> Iterator[list[tuple[Request, Submitted]]]:
        """Submit jobs that can run beside each other, in as few arrays as the site allows.

        Every Slurm job of an array runs ``stages_per_job`` of them. Yields every array once Slurm
        has it. The last jobs are left out where there is no room.
        All arrays together run ``array_parallelism`` jobs at a time: each has its share, and where
        there are more arrays than that, the later ones wait for earlier ones.

        Raises:
            UserError: if Slurm refuses an array for another reason than that limit.
        """
        lengths = expected_lengths([request.job for request in wave])
        bundles = in_bundles(wave, lengths, self.per_job)[: self.room]
        parts = [bundles[i : i + self.size] for i in range(0, len(bundles), self.size)]
        parallel = int(self.options["array_parallelism"])
        arrays: list[str] = []
        for i, part in enumerate(parts):
            requests = [request for bundle in part for request in bundle]
            after = {array for request in requests for array in request.after}
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
            pairs = zip(part, submitted, strict=True)
            yield [(request, one) for bundle, one in pairs for request in bundle]

    def _submit(
        self, part: Sequence[Sequence[Request]], after: set[str], share: int
    ) -> list[Submitted]:
        """Submit one array; return its Slurm jobs, none if the user may not have so many."""
        try:
            with redirect_stderr(io.StringIO()):  # submitit prints there what it raises
                executor = self._executor(after, share)
                with executor.batch():
                    jobs = [executor.submit(*self._call(bundle)) for bundle in part]
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
        options = dict(self.options)
        more = dict(options.pop("additional_parameters", None) or {})
        own = [f"afterany:{':'.join(sorted(after))}"] if after else []
        if asked := [*own, *filter(None, [more.pop("dependency", None)])]:
            options["dependency"] = ",".join(asked)  # all of them
        return make_executor(options | {"additional_parameters": more, "array_parallelism": share})

    def _call(self, bundle: Sequence[Request]) -> tuple[Any, ...]:
        """Return what submitit calls on the node, and its arguments."""
        members = tuple(self._member(request) for request in bundle)
        return (Bundle(members, self.per_job),) if self.per_job > 1 else members[0].as_submitted()

    def _member(self, request: Request) -> Member:
        launcher = copy(self.launcher)
        launcher.task_function = AwaitingTask(launcher.task_function, request.awaited)
        return Member.of(launcher, next(self._numbers), request.job.overrides)


def make_executor(options: Mapping[str, Any]) -> Any:
    """Return submitit's executor for Slurm, given the config ``hydra.launcher``."""
    import submitit

    options = {name: value for name, value in options.items() if name not in _OF_LAUNCHER}
    folder = options.pop("submitit_folder")
    of_executor = {f"slurm_{n}": options.pop(n) for n in _OF_EXECUTOR if n in options}
    executor = submitit.AutoExecutor(folder, cluster="slurm", **of_executor)
    executor.update_parameters(**{f"slurm_{name}": value for name, value in options.items()})
    return executor


def run_bundles(
    launcher: Any, bundles: Sequence[Sequence[tuple[int, Sequence[str]]]]
) -> list[JobReturn]:
    """Run bundles of jobs in an array of Slurm jobs, and wait for all of them.

    Args:
        launcher: submitit's, set up.
        bundles: the number and the overrides of each job.

    Returns:
        What came of the jobs, in their order.

    Raises:
        Exception: submitit's of the first Slurm job that has ended in another way than by itself.
    """
    executor, size = make_executor(launcher.params), launcher.stages_per_job
    members = [tuple(Member.of(launcher, *job) for job in bundle) for bundle in bundles]
    with executor.batch():
        jobs = [executor.submit(Bundle(one, size)) for one in members]
    for job in jobs:
        job.wait()
    return [returned for job in jobs for returned in job.results()[0]]


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
