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
from tlbench.records.record import (
    FAILED_STAGE_FILE,
    RECORD_FILE,
    ResultRecord,
    find_record,
)
from tlbench.records.summary import study_table
from tlbench.store.disk import writing
from tlbench.store.store import store_of
from tlbench.sweep.plan import Plan, PlannedExperiment, SweepJob

log = logging.getLogger(__name__)

Launch = Callable[[list[list[str]]], object]


@dataclass(frozen=True)
class Failure:
    """Why a job or an experiment has failed, and the log to look into."""

    reason: str
    log: Path | None


@dataclass
class Outcome:
    """What became of the experiments of a plan; ``done`` had no record before."""

    done: list[PlannedExperiment] = field(default_factory=list)
    reused: list[PlannedExperiment] = field(default_factory=list)
    failed: list[tuple[PlannedExperiment, Failure]] = field(default_factory=list)

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
    for config in configs:
        check_logs(config.logger)


def run(plan: Plan, launch: Launch) -> Outcome:
    """Train what the plan lacks and see that every experiment has a record.

    Args:
        launch: runs jobs, each given by its overrides; what it raises or returns says little,
            since launchers differ in what they do about a job that fails or is killed.

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
    for number, wave in enumerate(plan.waves, 1):
        ready = [job for job in wave if _can_start(job)]
        log.info("Wave %d of %d: %d stages", number, len(plan.waves), len(ready))
        failures |= _run_wave(ready, launch)
        write_records(plan.todo)
    scorings = [job for job in plan.scorings if _is_trained(job) and not job.is_finished]
    if scorings:
        log.info("Test rows of %d experiments", len(scorings))
        failures |= _run_wave(scorings, launch)
        write_records(plan.todo)
    return conclude(plan, failures)


def conclude(plan: Plan, failures: dict[str, Failure]) -> Outcome:
    """Return what became of a plan's experiments; what has failed and has no record gets one.

    Args:
        failures: of jobs, by the key of the stage.
    """
    outcome = Outcome(reused=plan.reused)
    for planned in plan.todo:
        if record := planned.find_done():
            outcome.done.append(replace(planned, record=record))
        else:
            failure = failure_of(planned, failures)
            write_failure(planned.config, failure.reason, planned.folder)
            outcome.failed.append((planned, failure))
    return outcome


def _run_wave(jobs: Sequence[SweepJob], launch: Launch) -> dict[str, Failure]:
    """Run jobs; the failures by the key of the stage. A launcher that fails gets one more try."""
    for job in jobs:
        forget_failure(job.folder / FAILED_STAGE_FILE)
    left, broke = list(jobs), ""
    for _ in range(2):
        broke = _launch(left, launch)
        left = [job for job in left if not job.is_finished and error_of(job) is None]
        if not (broke and left):
            break
        log.warning("The launcher failed (%s); %d jobs are launched again.", broke, len(left))
    lost = f"it left no record ({broke or 'it was killed, or never ran'})"
    return {
        job.stage.key: Failure(error_of(job) or lost, job.log)
        for job in jobs
        if not job.is_finished
    }


def _launch(jobs: Sequence[SweepJob], launch: Launch) -> str:
    """Launch jobs; what the launcher says if it fails. Ctrl-C and SIGTERM end the sweep."""
    said = ""
    signals.end_if_told()
    if jobs:
        try:
            launch([list(job.overrides) for job in jobs])
        except Exception as error:  # launchers raise their own kinds, or the first job's
            log.debug("launcher", exc_info=error)
            said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        signals.end_if_told()
    return said


def forget_failure(file: Path) -> None:
    """Remove the record of an earlier failure, so that one found later is of this run."""
    record = find_record(file)
    if record and record.status == "failed":
        file.unlink()


def error_of(job: SweepJob) -> str | None:
    """The error that a failed job has left in its folder."""
    for name in (RECORD_FILE, FAILED_STAGE_FILE):
        record = find_record(job.folder / name)
        if record and record.status == "failed":
            return record.error
    return None


def _is_trained(job: SweepJob) -> bool:
    return is_there(job.stage, job.weights_of)


def _can_start(job: SweepJob) -> bool:
    return all(is_there(need.stage, need.tasks) for need in job.stage.needs)


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


def report(outcome: Outcome, folder: Path) -> None:
    """Print what became of the experiments, and the study's table.

    Raises:
        UserError: if one has failed; the command then ends with exit code 1.
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
    table = Table(title="Experiments of this sweep")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row(*map(str, counts.values()))
    console().print(table)
    for title, record in lacking:
        say(f"{record.outcome}: {title}: {record.reason}")
    say_failures(outcome.failed)
    say(f"records: {folder}")
    if outcome.failed:
        count = len(outcome.failed)
        raise UserError(f"{count} experiments failed; the same command again runs only those.")


def say_failures(failed: Iterable[tuple[PlannedExperiment, Failure]]) -> None:
    """Print a line about every experiment that has failed."""
    for planned, failure in failed:
        where = f" (log: {failure.log})" if failure.log else ""
        say(f"failed: {planned.title}: {failure.reason}{where}")
