"""Runs a plan wave by wave; what is on disk afterwards says what became of it."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.table import Table

from tlbench.config.remembered import Remembered
from tlbench.console import console, say
from tlbench.errors import UserError
from tlbench.jobs import signals
from tlbench.jobs.loggers import check_logs
from tlbench.plan.final_scores import is_scored
from tlbench.plan.missing import find, is_there
from tlbench.records.asking import first_asked, now
from tlbench.records.build import finished_record, with_first, write_failure
from tlbench.records.garbage import no_collections
from tlbench.records.record import (
    FAILED_STAGE_FILE,
    RECORD_FILE,
    ResultRecord,
    find_record,
)
from tlbench.records.summary import study_table
from tlbench.store.disk import writing
from tlbench.store.store import store_of
from tlbench.sweep.limits import Limits, OutOfTimeError
from tlbench.sweep.next_steps import next_steps
from tlbench.sweep.plan import Plan, PlannedExperiment, SweepJob
from tlbench.sweep.watch import Watch

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[SweepJob]], object]


@dataclass(frozen=True)
class Failure:
    """Why a job or an experiment has failed, and the log to look into."""

    reason: str
    log: Path | None


@dataclass
class Outcome:
    """What became of the experiments of a plan.

    Attributes:
        done: had no record before.
        left: those that a limit of the sweep has kept from being finished.
    """

    done: list[PlannedExperiment] = field(default_factory=list)
    reused: list[PlannedExperiment] = field(default_factory=list)
    failed: list[tuple[PlannedExperiment, Failure]] = field(default_factory=list)
    left: list[PlannedExperiment] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Add what became of other experiments."""
        self.done += other.done
        self.reused += other.reused
        self.failed += other.failed
        self.left += other.left

    @property
    def records(self) -> list[ResultRecord]:
        """The records of all that have a result."""
        return [p.record for p in [*self.reused, *self.done] if p.record is not None]


def check_jobs(jobs: Iterable[SweepJob]) -> None:
    """Refuse what no job could write to or log to, before the first.

    Raises:
        UserError: if a store can't be written, or a logger can't be opened anywhere.
    """
    configs = [job.stage.config for job in jobs]
    for store in {store_of(config) for config in configs}:
        store.make_writable()
    for loggers in {repr(config.logger): config.logger for config in configs}.values():
        check_logs(loggers)  # as a rule a sweep's jobs have the same


def run(plan: Plan, launch: Launch, watch: Watch) -> Outcome:
    """Train what the plan lacks and see that every experiment has a record.

    Args:
        launch: runs jobs; what it raises or returns says little,
            since launchers differ in what they do about a job that fails or is killed.
        watch: follows the jobs, and knows until when they may begin.

    Raises:
        UserError: if there is a stage to train and its store can't be written, or its job's loggers
            can't be opened anywhere.
    """
    check_jobs(plan.jobs)
    failures: dict[str, Failure] = {}
    asked = now()
    for planned in plan.todo:
        forget_failure(planned.folder / RECORD_FILE)
        with writing("hydra.sweep.dir", planned.folder):
            first_asked(planned.folder, asked)
    write_records(plan.todo)
    if any(planned.error for planned in plan.todo):
        watch.limits.note_failure()
    for number, wave in enumerate(plan.waves, 1):
        if watch.limits.are_reached:
            break
        ready = [job for job in wave if _can_start(job)]
        watch.lose([job for job in wave if job not in ready])
        log.info("Wave %d of %d: %d stages", number, len(plan.waves), len(ready))
        failures |= _run_wave(ready, launch, watch)
        write_records(plan.todo)
    scorings = [job for job in plan.scorings if _is_trained(job) and not job.is_finished]
    if scorings and not watch.limits.are_reached:
        log.info("Test rows of %d experiments", len(scorings))
        failures |= _run_wave(scorings, launch, watch)
        write_records(plan.todo)
    return conclude(plan, failures, watch.limits.are_reached)


@no_collections()
def conclude(plan: Plan, failures: dict[str, Failure], is_limited: bool = False) -> Outcome:
    """Return what became of a plan's experiments; what has failed and has no record gets one.

    Args:
        failures: of jobs, by the key of the stage.
        is_limited: whether a limit has kept jobs from being run.
    """
    outcome = Outcome(reused=plan.reused)
    for planned in plan.todo:
        if record := planned.find_done():
            outcome.done.append(replace(planned, record=record))
        elif is_limited and not _has_failed(planned, failures):
            outcome.left.append(planned)
        else:
            failure = failure_of(planned, failures)
            write_failure(planned.config, failure.reason, planned.folder)
            outcome.failed.append((planned, failure))
    return outcome


def _run_wave(jobs: Sequence[SweepJob], launch: Launch, watch: Watch) -> dict[str, Failure]:
    """Run jobs; the failures by the key of the stage. A launcher that fails gets one more try."""
    for job in jobs:
        forget_failure(job.folder / FAILED_STAGE_FILE)
    left, broke = list(jobs), ""
    killed: list[SweepJob] = []
    for _ in range(2):
        if watch.limits.are_reached:
            break
        with watch.following(left) as unfinished:
            broke = _launch(left, launch, watch.limits)
        killed = unfinished
        left = [job for job in left if not job.is_finished and job.failure is None]
        # Nobody else asks: of thousands of jobs that are done, all records would be read.
        if watch.limits.fail_fast and (killed or any(job.failure for job in jobs)):
            watch.limits.note_failure()
        if not (broke and left) or watch.limits.are_reached:
            break
        log.warning("The launcher failed (%s); %d jobs are launched again.", broke, len(left))
    lost = f"it left no record ({broke or 'it was killed, or never ran'})"
    # A limit keeps jobs from being run: of those that leave nothing, only the killed have failed.
    is_failure = killed if watch.limits.are_reached else jobs
    return {
        job.stage.key: Failure(job.failure or lost, job.log)
        for job in jobs
        if not job.is_finished and (job.failure or job in is_failure)
    }


def _launch(jobs: Sequence[SweepJob], launch: Launch, limits: Limits) -> str:
    """Launch jobs; what the launcher says if it fails. Ctrl-C and SIGTERM end the sweep."""
    said = ""
    signals.end_if_told()
    if jobs:
        try:
            launch(jobs)
        except Exception as error:  # launchers raise their own kinds, or the first job's
            log.debug("launcher", exc_info=error)
            said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        except signals.Told:
            if not limits.is_used_up:
                raise  # else it is the sweep's own word, which came when the job had ended
        signals.end_if_told()
    return said


def forget_failure(file: Path) -> None:
    """Remove the record of an earlier failure, so that one found later is of this run."""
    record = find_record(file)
    if record and record.status == "failed":
        file.unlink()


def _is_trained(job: SweepJob) -> bool:
    return is_there(job.stage, job.weights_of)


def _can_start(job: SweepJob) -> bool:
    return all(is_there(need.stage, need.tasks) for need in job.stage.needs)


@no_collections()
def write_records(todo: Sequence[PlannedExperiment]) -> None:
    """Record every experiment that is finished in the store, unless its job did."""
    remembered = Remembered()
    for planned in todo:
        if planned.experiment is None or planned.is_done:
            continue
        found = find(planned.stages[-1])
        if found and is_scored(planned.stages[-1]):
            record = finished_record(planned.experiment, planned.stages, found, (), remembered)
            with_first(record, planned.folder).write(planned.folder)


def _has_failed(planned: PlannedExperiment, failures: dict[str, Failure]) -> bool:
    return bool(planned.error) or any(stage.key in failures for stage in planned.stages)


def failure_of(planned: PlannedExperiment, failures: dict[str, Failure]) -> Failure:
    """Return why an experiment without a result has failed, given the failures of jobs."""
    if planned.error:
        return Failure(planned.error, None)
    for stage in planned.stages:
        if failure := failures.get(stage.key):
            own = failure.log is not None and failure.log.parent == planned.folder
            reason = failure.reason if own else f"stage {stage.title} failed: {failure.reason}"
            return Failure(reason, failure.log)
    return Failure("none of its jobs ran", None)


@no_collections()
def report(outcome: Outcome, folder: Path, limits: Limits | None = None) -> None:
    """Print what became of the experiments, and the study's table.

    Raises:
        UserError: if one has failed; the command then ends with exit code 1.
        OutOfTimeError: if none has, and the sweep's time is used up before all are done.
    """
    records = outcome.records
    if records:
        console().print(study_table(records))
    titles = (planned.title for planned in [*outcome.reused, *outcome.done])
    lacking = [(t, r) for t, r in zip(titles, records, strict=True) if r.outcome != "scored"]
    counts = {"done": len(outcome.done), "reused": len(outcome.reused)}
    if lacking:
        counts["of them without a score"] = len(lacking)
    counts["failed"] = len(outcome.failed)
    if outcome.left:
        counts["not finished" if limits and limits.is_used_up else "not run"] = len(outcome.left)
    table = Table(title="Experiments of this sweep")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*map(str, counts.values()))
    console().print(table)
    for title, record in lacking:
        say(f"{record.outcome}: {title}: {record.reason}")
    say_failures(outcome.failed)
    say(f"records: {folder}")
    for step in next_steps(records, folder):
        say(f"next: {step}")
    raise_if_incomplete(outcome, limits)


def raise_if_incomplete(outcome: Outcome, limits: Limits | None) -> None:
    """End the command if not all of its experiments have a result.

    Raises:
        UserError: if one has failed.
        OutOfTimeError: if none has, and the sweep's time is used up before all are done.
    """
    failed, left = len(outcome.failed), len(outcome.left)
    if limits and failed and left:
        raise UserError(
            f"{failed} experiments failed and {left} were not run ({limits.reason}); the same "
            "command again goes on with them where it was."
        )
    if failed:
        raise UserError(f"{failed} experiments failed; the same command again runs only those.")
    if limits and left:
        there = len(outcome.records)
        raise OutOfTimeError(
            f"{limits.reason}: {there} of {there + left} experiments are there; the same command "
            "again goes on where it was."
        )


def say_failures(failed: Iterable[tuple[PlannedExperiment, Failure]]) -> None:
    """Print a line about every experiment that has failed."""
    for planned, failure in failed:
        where = f" (log: {failure.log})" if failure.log else ""
        say(f"failed: {planned.title}: {failure.reason}{where}")
