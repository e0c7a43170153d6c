"""A sweep that can be left: its jobs wait for each other in Slurm's queue, and no process for them.

The command submits what is missing and not queued, and ends. Given again it does the same: it says
where the study stands, and goes on with what was lost. What is finished the store knows, and what
is queued Slurm; ``slurm_jobs.json`` only says which of Slurm's jobs is which of the sweep's.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from tlbench.console import console, say
from tlbench.errors import UserError
from tlbench.jobs.awaiting import Awaited
from tlbench.records.asking import first_asked, now
from tlbench.records.record import FAILED_STAGE_FILE, RECORD_FILE
from tlbench.store import claims
from tlbench.store.integrity import unseal, write_sealed
from tlbench.store.store import store_of
from tlbench.sweep import run, slurm
from tlbench.sweep.plan import Plan
from tlbench.sweep.standing import PLACES, Standing, named_waves, stand
from tlbench.sweep.submit import Request, Submitted, Submitter

JOBS_FILE = "slurm_jobs.json"
_SHOWN = 10  # lines about running jobs
_SUBMITTED = slurm.State("PENDING", "just submitted")


def advance(plan: Plan, folder: Path, make_submitter: Callable[[], Submitter]) -> None:
    """Say where a sweep on Slurm stands, and submit what is missing and not queued.

    A failure is told once and submitted by the same command after that, so that its cause can be
    mended. When nothing is queued any more this ends as a sweep that waits does.

    Args:
        folder: the sweep's.
        make_submitter: called if there is anything to submit.

    Raises:
        UserError: at the end if an experiment has failed; if Slurm does not answer, or refuses.
    """
    with claims.hold(folder / f"{JOBS_FILE}.claim", f"the Slurm jobs of {folder}"):
        asked = now()
        for planned in plan.todo:
            first_asked(planned.folder, asked)
        run.write_records(plan.todo)
        submitted = _read(folder)
        standing = stand(plan, submitted)
        for name in {*standing.failures, *standing.blocked}:  # told now
            submitted.pop(name, None)
        _write(folder, submitted)
        if not (standing.queued or standing.missing):
            run.report(run.conclude(plan, standing.failures_by_stage), folder)
            return
        failed = _say_failures(plan, standing)
        if standing.missing:
            _submit(plan, standing, submitted, folder, make_submitter())
        _print(plan, standing, submitted)
        say(f"records: {folder}")
        if failed:
            raise UserError(
                f"{failed} experiments failed; the same command again tries them again."
            )
        say("The same command again says where the study stands, and submits what was lost.")


def preview(plan: Plan, folder: Path) -> None:
    """Say where a sweep on Slurm stands; write and submit nothing.

    Raises:
        UserError: if Slurm does not answer.
    """
    submitted = _read(folder)
    standing = stand(plan, submitted)
    _say_failures(plan, standing)
    _say_lost(standing)
    _print(plan, standing, submitted)


def _submit(
    plan: Plan,
    standing: Standing,
    submitted: dict[str, Submitted],
    folder: Path,
    submitter: Submitter,
) -> None:
    """Submit what is missing, the earlier waves first, as far as the user may."""
    _say_lost(standing)
    run.check_jobs(standing.jobs[name] for name in standing.missing)
    slurm.cancel(submitted[name].id for name in standing.outdated)
    for number, wave in enumerate(named_waves(plan), 1):
        requests = [_request(n, standing, submitted) for n in wave if n in standing.missing]
        for request in requests:
            for file in (RECORD_FILE, FAILED_STAGE_FILE):
                run.forget_failure(request.job.folder / file)
        for array in submitter.submit(requests):
            for request, one in array:
                submitted[request.name] = one
                standing.queued[request.name] = _SUBMITTED
                standing.missing.remove(request.name)
            _write(folder, submitted)
            what = f"wave {number}" if number <= len(plan.waves) else "test rows"
            say(f"submitted: {what}: {_described(array)}")
        if any(request.name in standing.missing for request in requests):
            say(
                f"not submitted: {len(standing.missing)} jobs, as you may not have more in the "
                "queue (hydra.sweeper.max_submit); the same command does it once others have ended"
            )
            return


def _request(name: str, standing: Standing, submitted: dict[str, Submitted]) -> Request:
    before = [standing.jobs[other] for other in standing.before[name]]
    awaited = tuple(
        Awaited(
            store_of(job.stage.config).root,
            job.stage.key,
            job.stage.title_and_seed,
            job.weights_of,
            job.stage.wants_cross_fit,
        )
        for job in before
    )
    queued = [other for other in standing.before[name] if other in standing.queued]
    after = frozenset(slurm.array_of(submitted[other].id) for other in queued)
    return Request(name, standing.jobs[name], awaited, after)


def _described(array: Sequence[tuple[Request, Submitted]]) -> str:
    """Return the id of a Slurm job, how many jobs it is, and after which it begins."""
    jobs = len({one.id for _, one in array})
    stages = f" with {len(array)} stages" if len(array) > jobs else ""
    after = sorted({one for request, _ in array for one in request.after})
    behind = f", after {', '.join(after)}" if after else ""
    return f"Slurm job {slurm.array_of(array[0][1].id)} ({jobs} jobs{stages}){behind}"


def _say_failures(plan: Plan, standing: Standing) -> int:
    """Print what has failed; return how many experiments that is."""
    failures = standing.failures_by_stage
    failed = [p for p in plan.todo if standing.of(p) == "failed"]
    run.say_failures((planned, run.failure_of(planned, failures)) for planned in failed)
    return len(failed)


def _say_lost(standing: Standing) -> None:
    for name, how in standing.lost.items():
        say(f"to be submitted again: {standing.jobs[name].stage.title_and_seed}: {how}")


def _print(plan: Plan, standing: Standing, submitted: dict[str, Submitted]) -> None:
    """Print how many experiments stand where, and what Slurm does."""
    counts = Counter(standing.of(planned) for planned in plan.todo)
    counts["done"] += len(plan.reused)
    table = Table(title="Where the study stands: experiments")
    for place in PLACES:
        table.add_column(place, justify="right")
    table.add_row(*(str(counts[place]) for place in PLACES))
    console().print(table)
    running = [name for name, state in standing.queued.items() if state.is_running]
    for name in running[:_SHOWN]:
        title, elapsed = standing.jobs[name].stage.title_and_seed, standing.queued[name].elapsed
        say(f"running: {title}: Slurm job {submitted[name].id}, {elapsed}")
    if len(running) > _SHOWN:
        say(f"running: {len(running) - _SHOWN} more (squeue --me)")
    reasons = Counter(s.reason for s in standing.queued.values() if not s.is_running)
    for reason, count in reasons.most_common():
        say(f"waiting: {count} jobs ({reason})")


def _read(folder: Path) -> dict[str, Submitted]:
    """Return by name the jobs that Slurm was given.

    Raises:
        UserError: if the file of them can't be read.
    """
    file = folder / JOBS_FILE
    try:
        jobs = unseal(json.loads(file.read_text("utf-8")))["jobs"] if file.exists() else {}
        return {name: Submitted(**job) for name, job in jobs.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Remove {file}: it can't be read ({error}); what is queued is then submitted again, "
            "and trained once."
        ) from error


def _write(folder: Path, submitted: dict[str, Submitted]) -> None:
    jobs = {name: asdict(one) for name, one in submitted.items()}
    write_sealed(folder / JOBS_FILE, {"jobs": jobs})
