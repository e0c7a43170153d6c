"""Where the jobs of a sweep that was left stand: finished, in Slurm's queue, failed or missing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tlbench.sweep import slurm
from tlbench.sweep.plan import Plan, PlannedExperiment, SweepJob
from tlbench.sweep.run import Failure
from tlbench.sweep.submit import Submitted

PLACES = ("done", "running", "waiting", "not submitted", "failed")  # of experiments


@dataclass
class Standing:
    """Where the jobs of a plan stand that are not finished, by their names.

    A job's name is the key of the stage that it trains, or of one that only scores test rows the
    name of its folder.

    Attributes:
        jobs: those that others begin with first.
        before: the jobs whose stages a job begins with.
        queued: what Slurm says of those that it has.
        failures: why jobs have failed.
        blocked: those that begin with what has failed.
        lost: how jobs have ended that did not fail; they are missing again.
        missing: what is to be submitted.
        outdated: those of them that are queued, and would begin before what they begin with.
    """

    jobs: dict[str, SweepJob] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    queued: dict[str, slurm.State] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    lost: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)

    def of(self, planned: PlannedExperiment) -> str:
        """Return where an experiment stands, one of ``PLACES``; it does as its jobs do."""
        if planned.error:
            return "failed"
        names = {stage.key for stage in planned.stages} | {planned.folder.name}
        mine = names & self.jobs.keys()
        if mine & (self.failures.keys() | self.blocked):
            return "failed"
        if any(self.queued[name].is_running for name in mine & self.queued.keys()):
            return "running"
        if mine <= self.queued.keys():
            return "waiting" if mine else "done"
        return "not submitted"

    @property
    def failures_by_stage(self) -> dict[str, Failure]:
        return {self.jobs[name].stage.key: failure for name, failure in self.failures.items()}

    def place(
        self, name: str, submitted: Submitted | None, state: slurm.State | None, leaves: bool
    ) -> None:
        """Find out where a job stands, once those before it have been placed.

        Args:
            leaves: whether it shares a Slurm job with one that is outdated.
        """
        before = self.before[name]
        if state and not state.is_ended:
            is_early = leaves or any(other in self.missing for other in before)
            if not state.is_running and is_early:
                self.outdated.append(name)
                self.missing.append(name)
            else:
                self.queued[name] = state
        elif any(other in self.failures or other in self.blocked for other in before):
            self.blocked.add(name)
        elif submitted is None or state is None:
            self.missing.append(name)
        # Whatever one says that had nothing to begin with, it has not failed.
        elif not before and (failure := _failure(self.jobs[name], submitted, state)):
            self.failures[name] = failure
        else:
            self.missing.append(name)
            if state.is_lost:
                self.lost[name] = _end(submitted, state)


def stand(plan: Plan, submitted: Mapping[str, Submitted]) -> Standing:
    """Return where the jobs of a plan stand.

    Args:
        submitted: by name, those that Slurm was given.

    Raises:
        UserError: if Slurm does not answer.
    """
    named = {name: job for wave in named_waves(plan) for name, job in wave.items()}
    # Before the store is looked at: what ends from here on is found there.
    states = slurm.states(one.id for name, one in submitted.items() if name in named)
    jobs = {name: job for name, job in named.items() if not job.is_finished}
    leaving: set[str] = set()  # the Slurm jobs with an outdated one, which all others leave too
    while True:
        standing = _placed(jobs, submitted, states, leaving)
        ids = {submitted[name].id for name in standing.outdated}
        if ids <= leaving:
            return standing
        leaving |= ids


def _placed(
    jobs: dict[str, SweepJob],
    submitted: Mapping[str, Submitted],
    states: Mapping[str, slurm.State],
    leaving: Collection[str],
) -> Standing:
    standing = Standing(jobs)
    for name, job in jobs.items():
        keys = [stage.key for stage in job.stage.graph() if stage.key in jobs]
        standing.before[name] = [key for key in keys if key != name]
        one = submitted.get(name)
        state = states.get(one.id) if one else None
        standing.place(name, one, state, one is not None and one.id in leaving)
    return standing


def named_waves(plan: Plan) -> list[dict[str, SweepJob]]:
    """Return a plan's jobs by name, wave by wave; those that only score test rows are the last."""
    waves = [{job.stage.key: job for job in wave} for wave in plan.waves]
    return [*waves, {job.folder.name: job for job in plan.scorings}]


def _failure(job: SweepJob, submitted: Submitted, state: slurm.State) -> Failure | None:
    """Return why a job has failed that has ended; None if it was lost."""
    if error := job.failure:
        return Failure(error, job.log)
    if state.is_lost:
        return None
    return Failure(f"{_end(submitted, state)} and left no record", Path(submitted.log))


def _end(submitted: Submitted, state: slurm.State) -> str:
    if state.name == slurm.UNKNOWN:
        return f"Slurm no longer has job {submitted.id}"
    return f"Slurm job {submitted.id} ended as {state.name}"
