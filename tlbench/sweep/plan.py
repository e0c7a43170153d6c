"""The plan of a sweep: its experiments, the stages that they lack, and the jobs that train them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from tlbench.config.identity import job_folder_name, stage_folder
from tlbench.config.remembered import Remembered
from tlbench.config.schema import Config
from tlbench.console import points
from tlbench.errors import UserError
from tlbench.plan import weights
from tlbench.plan.build import from_config
from tlbench.plan.experiment import Experiment, title_of
from tlbench.plan.final_scores import is_scored, tested
from tlbench.plan.impossible import Impossible, impossible
from tlbench.plan.missing import Missing, find, is_there
from tlbench.plan.schedule import trained_rows
from tlbench.plan.stage import Stage
from tlbench.plan.weights import Tasks
from tlbench.records.garbage import no_collections
from tlbench.records.record import FAILED_STAGE_FILE, RECORD_FILE, ResultRecord, find_record
from tlbench.sweep.compose import Combination


@dataclass(frozen=True)
class PlannedExperiment:
    """An experiment of a sweep.

    Attributes:
        folder: where its record belongs.
        experiment, stages: None and empty if an ``error`` kept it from being planned.
        record: of what was done before the sweep; None of everything else.
    """

    overrides: Sequence[str]
    config: Config
    folder: Path
    experiment: Experiment | None = None
    stages: Sequence[Stage] = ()
    error: str | None = None
    record: ResultRecord | None = None

    @property
    def title(self) -> str:
        return title_of(self.config)

    @property
    def is_done(self) -> bool:
        """Whether it is done; see ``find_done``."""
        return self.find_done() is not None

    def find_done(self) -> ResultRecord | None:
        """Return its record if that is one of the stages and test rows that it has today.

        None also without the weights that ``keep_weights`` asks for.
        """
        record = None if self.error else find_record(self.folder / RECORD_FILE)
        if record is None or record.status == "failed":
            return None
        if record.stage_keys != [stage.key for stage in self.stages]:
            return None
        target = tested(self.stages[-1])
        if target and record.status == "done":
            test = record.test or {}
            if test.get("digest") != target.test_digest:
                return None
        asked = weights.asked_for(self.stages)
        has_weights = all(is_there(s, asked[s.key]) for s in self.stages if s.key in asked)
        return record if has_weights else None


@dataclass(frozen=True)
class SweepJob:
    """A process that trains one stage: the experiment that ends with it, or the stage alone.

    An experiment's process also scores its test rows, or does that alone.

    Attributes:
        weights_of: the tasks whose best weights of this stage are wanted.
        end: the last stage of the experiment, if it is the experiment's process.
        title: what a person calls it: ``stilts rte<-mnli s0``, or ``stage mnli s0``.
        target: the experiment's target task, if it is the experiment's process.
    """

    stage: Stage
    overrides: Sequence[str]
    folder: Path
    weights_of: Tasks
    end: Stage | None = None
    title: str = ""
    target: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the store has the stage, with the weights and scores that are wanted of it."""
        is_scored_too = self.end is None or is_scored(self.end)
        return is_scored_too and is_there(self.stage, self.weights_of)

    @property
    def failure(self) -> str | None:
        """The error that it has left in its folder, if it has failed."""
        for name in (RECORD_FILE, FAILED_STAGE_FILE):
            record = find_record(self.folder / name)
            if record and record.status == "failed":
                return record.error
        return None

    @property
    def score(self) -> str:
        """What a person reads of it once it is finished: ``61.2``, or ``mnli 70.1, rte 61.2``.

        An experiment's is the score of its record; that of a stage is by dev.
        """
        manifest = find(self.stage) or {"tasks": {}}
        if manifest.get("diverged"):
            return "diverged"
        shown = [self.target] if self.target else self.stage.tasks
        entries = {task: manifest["tasks"][task] for task in shown}
        if self.target and self.stage.wants_cross_fit:
            entries = {task: entry["cross_fit"] for task, entry in entries.items()}
        scores = {task: _score(entry) for task, entry in entries.items()}
        if len(scores) == 1:
            return next(iter(scores.values()))
        return ", ".join(f"{task} {score}" for task, score in scores.items())

    @property
    def rows(self) -> int:
        """What it trains at most, by which the longest jobs of a wave are told."""
        return trained_rows(self.stage)

    @property
    def log(self) -> Path:
        return self.folder / "tlbench.log"


@dataclass
class Plan:
    """What a sweep's combinations come to.

    Attributes:
        impossible: how many combinations, by the reason.
        reused: experiments whose record is there already.
        waves: jobs that can run beside each other, in the order in which the waves must run.
        scorings: jobs that score the test rows of experiments whose last stage no job of their own
            trains; after the waves.
    """

    combinations: int = 0
    impossible: Counter[Impossible] = field(default_factory=Counter)
    duplicates: int = 0
    experiments: list[PlannedExperiment] = field(default_factory=list)
    reused: list[PlannedExperiment] = field(default_factory=list)
    waves: list[list[SweepJob]] = field(default_factory=list)
    scorings: list[SweepJob] = field(default_factory=list)

    @property
    def todo(self) -> list[PlannedExperiment]:
        return [planned for planned in self.experiments if planned.record is None]

    @property
    def jobs(self) -> list[SweepJob]:
        return [job for wave in self.waves for job in wave]

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages of all experiments, by key."""
        return {stage.key: stage for planned in self.experiments for stage in planned.stages}


@no_collections()
def make_plan(combinations: Iterable[Combination], folder: Path, dry_run: bool = False) -> Plan:
    """Plan a sweep whose records belong below ``folder``.

    Args:
        dry_run: plan what can't be trained here too, for its encoder's files are not known.

    Raises:
        UserError: if no combination is possible, or a value has a wrong type.
    """
    plan, remembered = Plan(), Remembered()
    found: set[str] = set()
    for combination in combinations:
        plan.combinations += 1
        if reason := impossible(combination.config):
            plan.impossible[reason] += 1
            continue
        name = job_folder_name(combination.plain, remembered)
        if name in found:
            plan.duplicates += 1
        else:
            found.add(name)
            plan.experiments.append(_planned(combination, folder / name, dry_run, remembered))
    if plan.impossible and not plan.experiments:
        raise UserError(next(iter(plan.impossible)).sentence)
    return _with_jobs(plan, folder)


@no_collections()
def check_planned(plan: Plan) -> None:
    """Refuse a plan in which an experiment can't be planned.

    Raises:
        UserError: what the first of them says.
    """
    if errors := [planned.error for planned in plan.experiments if planned.error]:
        raise UserError(errors[0])


def part_of(experiments: Iterable[PlannedExperiment], folder: Path) -> Plan:
    """Return the plan of some of a sweep's experiments, given what is there by now.

    Args:
        folder: the sweep's.
    """
    return _with_jobs(Plan(experiments=list(experiments)), folder)


def runs_by_choice(
    experiments: Iterable[PlannedExperiment],
) -> dict[tuple[str, ...], list[PlannedExperiment]]:
    """Return the runs of every choice by its overrides, those of all its seeds, in their order."""
    runs: dict[tuple[str, ...], list[PlannedExperiment]] = {}
    for planned in experiments:
        choice = tuple(word for word in planned.overrides if not word.startswith("seed="))
        runs.setdefault(choice, []).append(planned)
    return {
        choice: sorted(of_one, key=lambda run: run.config.seed) for choice, of_one in runs.items()
    }


def _with_jobs(plan: Plan, folder: Path) -> Plan:
    plan.experiments = [replace(one, record=one.find_done()) for one in plan.experiments]
    plan.reused = [planned for planned in plan.experiments if planned.record]
    plan.waves = _waves(plan.todo, folder)
    plan.scorings = _scorings(plan)
    return plan


def _planned(
    combination: Combination, folder: Path, dry_run: bool, remembered: Remembered
) -> PlannedExperiment:
    overrides, config = combination.overrides, combination.config
    try:
        experiment = from_config(config, in_sweep=True, remembered=remembered)
        if experiment.unresolved and not dry_run:
            raise UserError(experiment.unresolved)
        return PlannedExperiment(overrides, config, folder, experiment, experiment.plan())
    except UserError as error:
        return PlannedExperiment(overrides, config, folder, error=str(error))


def _waves(todo: Sequence[PlannedExperiment], folder: Path) -> list[list[SweepJob]]:
    """Jobs for the stages that are missing; each wave needs nothing but those before it."""
    missing = Missing()
    users: dict[str, PlannedExperiment] = {}  # of every stage an experiment that needs it
    ends: dict[str, PlannedExperiment] = {}  # and the first one that ends with it
    for planned in todo:
        if planned.stages:
            missing.add(planned.stages)
            last = planned.stages[-1]
            first = ends.setdefault(last.key, planned)
            # One that wants only dev's scores may find them there, and would train nothing.
            if last.wants_cross_fit and not first.stages[-1].wants_cross_fit:
                ends[last.key] = planned
        for stage in planned.stages:
            users.setdefault(stage.key, planned)
    waves: dict[int, list[SweepJob]] = {}
    for key, stage in missing.stages.items():
        weights_of = Tasks(missing.weights_of[key])
        job = _job(stage, weights_of, ends.get(key), users[key], folder)
        waves.setdefault(missing.wave(stage), []).append(job)
    for jobs in waves.values():  # the longest first, or it would begin last and run alone
        jobs.sort(key=attrgetter("rows"), reverse=True)
    return [waves[number] for number in sorted(waves)]


def _scorings(plan: Plan) -> list[SweepJob]:
    """Jobs for experiments to score that train nothing of their own."""
    in_waves = {job.folder for job in plan.jobs}
    jobs = []
    for planned in plan.todo:
        if planned.stages and planned.folder not in in_waves and not is_scored(planned.stages[-1]):
            last = planned.stages[-1]
            overrides = (*planned.overrides, _told_identity(last))
            about = (planned.folder, Tasks(), last, planned.title, planned.config.target_task.name)
            jobs.append(SweepJob(last, overrides, *about))
    return jobs


def _score(entry: Mapping[str, Any]) -> str:
    return points(entry["score"]) + (" (collapsed)" if entry.get("collapsed") else "")


def _told_identity(stage: Stage) -> str:
    return f"++encoder.identity='{stage.config.encoder.identity}'"  # found out once, here


def _job(
    stage: Stage,
    weights_of: Tasks,
    end: PlannedExperiment | None,
    user: PlannedExperiment,
    sweep: Path,
) -> SweepJob:
    """The experiment that ends with a stage trains it, else a job that trains the stage alone."""
    first = end or user
    told = [_told_identity(stage)]
    keeps = weights.kept(first.stages, stage)[stage.key]
    # A list of the user's is about the last stage of an experiment, and not about this one.
    alone_by_list = end is None and not isinstance(first.config.keep_weights, str)
    if alone_by_list or not weights_of <= keeps or (weights_of and is_there(stage)):
        told.append(f"keep_weights=[{','.join(sorted(weights_of))}]")
    if end is None:
        told.append(f"only_stage='{stage.key}'")
    job_folder = end.folder if end else sweep / stage_folder(stage.key)
    last = end.stages[-1] if end else None
    title = end.title if end else f"stage {stage.title_and_seed}"
    target = end.config.target_task.name if end else None
    overrides = (*first.overrides, *told)
    return SweepJob(stage, overrides, job_folder, weights_of, last, title, target)
