"""Asks Slurm where jobs stand, and how many it takes."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from getpass import getuser

from tlbench.errors import UserError

UNKNOWN = "UNKNOWN"  # of a job that Slurm has forgotten, or whose accounting is not there
# How jobs end for good; of any other state they are in the queue, or will be again.
_ENDS = {
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
    UNKNOWN,
}
_RUNS = {"COMPLETING", "CONFIGURING", "RESIZING", "RUNNING", "SIGNALING", "STOPPED", "SUSPENDED"}
_NOT_THEIR_FAULT = {"BOOT_FAIL", "CANCELLED", "NODE_FAIL", "PREEMPTED", "REVOKED", UNKNOWN}
_SACCTMGR = ("sacctmgr", "--noheader", "--parsable2", "show")


@dataclass(frozen=True)
class State:
    """What Slurm says of a job.

    Attributes:
        name: ``PENDING``, ``RUNNING``, ..., or how it has ended.
        reason: why it waits; ``None`` of one that does not.
        elapsed: how long its present leg has run.
    """

    name: str
    reason: str = "None"
    elapsed: str = ""

    @property
    def is_ended(self) -> bool:
        return self.name in _ENDS

    @property
    def is_running(self) -> bool:
        return self.name in _RUNS

    @property
    def is_lost(self) -> bool:
        """Whether it has ended, and for no fault of its own: nothing has to be mended."""
        return self.name in _NOT_THEIR_FAULT


def array_of(job_id: str) -> str:
    """Return the id of the array that a job belongs to; its own if it belongs to none."""
    return job_id.partition("_")[0]


def states(job_ids: Iterable[str]) -> dict[str, State]:
    """Return what Slurm says of jobs, by id.

    The queue has those that have ended lately too; of others the accounting is asked, if any.

    Raises:
        UserError: if Slurm does not answer.
    """
    asked = set(job_ids)
    arrays = sorted({array_of(one) for one in asked})
    if not arrays:
        return {}
    found = {job_id: State(UNKNOWN) for job_id in asked}
    try:
        printed = lines(
            *("squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%r|%M"),
            f"--jobs={','.join(arrays)}",
        )
    except UserError as error:
        if "Invalid job id" not in str(error):  # which it says if it has forgotten all of them
            raise
        printed = []
    said = {job_id: State(*rest) for job_id, *rest in (line.split("|") for line in printed)}
    forgotten = sorted({array_of(one) for one in asked - said.keys()})
    return found | {i: s for i, s in (_accounted(forgotten) | said).items() if i in asked}


def _accounted(arrays: list[str]) -> dict[str, State]:
    """Return how jobs have ended; none where Slurm keeps no accounts."""
    if not arrays:
        return {}
    try:
        printed = lines(
            *("sacct", "--allocations", "--noheader", "--parsable2", "--format=JobID,State"),
            f"--jobs={','.join(arrays)}",
        )
    except UserError:
        return {}
    found = {}
    for line in printed:
        job_id, _, state = line.partition("|")
        name = state.partition(" ")[0]  # CANCELLED by 1000
        # What is not in the queue has ended, even if the accounting does not know yet.
        found[job_id] = State(name if name in _ENDS else UNKNOWN)
    return found


def queued_count() -> int:
    """Return how many jobs this user has in the queue, whatever they are."""
    return len(lines("squeue", "--me", "--noheader", "--array", "--format=%i"))


def max_array_size() -> int:
    """Return how many jobs an array may have: the site's ``MaxArraySize``."""
    return max(1, array_size_in(lines("scontrol", "show", "config")) or 1)


def array_size_in(config: Iterable[str]) -> int | None:
    """Return the ``MaxArraySize`` of what ``scontrol show config`` prints; None if it has none."""
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", "\n".join(config))
    return int(found[1]) if found else None


def max_submit(account: str | None, qos: str | None) -> int | None:
    """Return how many jobs this user may have in the queue; None if nothing says so.

    Args:
        account, qos: what jobs are submitted with; None for the user's own.
    """
    limits, of_user = [], ("where", f"user={getuser()}")
    try:
        for line in lines(*_SACCTMGR, "assoc", *of_user, "format=Account,MaxSubmit,DefaultQOS"):
            name, limit, default = line.split("|")
            if account in (None, name):
                limits.append(limit)
                qos = qos or default
        if qos:
            limits += lines(*_SACCTMGR, "qos", "where", f"name={qos}", "format=MaxSubmitPU")
    except UserError:  # no accounting: then nothing limits submissions but sbatch's own answer
        return None
    return min((int(limit) for limit in limits if limit.isdigit()), default=None)


def cancel(job_ids: Iterable[str]) -> None:
    """Remove jobs from the queue.

    Raises:
        UserError: if Slurm refuses.
    """
    if ids := sorted(job_ids):
        lines("scancel", *ids)


def lines(*command: str, timeout: float | None = None) -> list[str]:
    """Return what a command of Slurm's prints.

    Args:
        timeout: seconds to wait for it; None for as long as it takes.

    Raises:
        UserError: if there is no such command here, it fails or takes longer.
    """
    try:
        ran = subprocess.run(  # noqa: S603  # nosec B603
            command, capture_output=True, text=True, check=False, timeout=timeout
        )
    except FileNotFoundError as error:
        raise UserError(
            f"Change hydra/launcher, or go to a login node of Slurm: there is no {command[0]} here."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"Slurm does not answer within {timeout} s.") from error
    if ran.returncode:
        said = ran.stderr.strip() or f"exit code {ran.returncode}"
        raise UserError(f"Slurm does not answer ({said}); the same command again asks again.")
    return ran.stdout.splitlines()
