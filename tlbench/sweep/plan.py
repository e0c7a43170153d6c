"""The plan of a sweep: its experiments, the stages that they lack, and the jobs that train them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from pathlib import Path

from tlbench import results
from tlbench.config import Config
from tlbench.errors import UserError
from tlbench.experiment import Experiment, from_config, impossible
from tlbench.naming import content, stage_folder
from tlbench.schedule import Schedule
from tlbench.stage import Stage
from tlbench.store import Store
from tlbench.sweep.compose import Combination


def store_of(config: Config) -> Store:
    """The store of an experiment."""
    return _open(config.store_dir)


_open = cache(Store)  # one for all, so that those of a plan can be told apart


@dataclass(frozen=True)
class Planned:
    """An experiment of a sweep.

    Attributes:
        folder: where its record belongs.
        experiment, stages: None and empty if an ``error`` kept it from being planned.
    """

    overrides: Sequence[str]
    config: Config
    folder: Path
    experiment: Experiment | None = None
    stages: Sequence[Stage] = ()
    error: str | None = None

    @property
    def title(self) -> str:
        if self.experiment:
            return self.experiment.title
        c = self.config
        arrow = f"<-{c.support_task['name']}" if c.strategy.supports == "one" else ""
        return f"{c.strategy.name} {c.target_task.name}{arrow} s{c.seed}"

    @property
    def is_done(self) -> bool:
        """Whether its record is there, and is one of the stages that it has today."""
        record = None if self.error else results.find(self.folder / results.FILE)
        if record is None:
            return False
        return record.status != "failed" and record.stage_keys == [s.key for s in self.stages]


@dataclass(frozen=True)
class Job:
    """A process that trains one stage: the experiment that ends with it, or the stage alone.

    Attributes:
        weights_of: the task whose best weights of this stage another stage starts from.
    """

    stage: Stage
    overrides: Sequence[str]
    folder: Path
    weights_of: str | None

    @property
    def rows(self) -> int:
        """What it trains at most, by which the longest jobs of a wave are told."""
        return Schedule.planned(self.stage).trained_rows

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
    """

    combinations: int = 0
    impossible: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    experiments: list[Planned] = field(default_factory=list)
    reused: list[Planned] = field(default_factory=list)
    waves: list[list[Job]] = field(default_factory=list)

    @property
    def todo(self) -> list[Planned]:
        done = {id(planned) for planned in self.reused}
        return [planned for planned in self.experiments if id(planned) not in done]

    @property
    def jobs(self) -> list[Job]:
        return [job for wave in self.waves for job in wave]

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages of all experiments, by key."""
        return {stage.key: stage for planned in self.experiments for stage in planned.stages}


def make_plan(combinations: Iterable[Combination], folder: Path) -> Plan:
    """Plan a sweep whose records belong below ``folder``.

    Raises:
        UserError: if no combination is possible, or a value has a wrong type.
    """
    plan = Plan()
    found: set[str] = set()
    for combination in combinations:
        plan.combinations += 1
        name = content(combination.plain)
        if reason := impossible(combination.config):
            plan.impossible[reason] += 1
        elif name in found:
            plan.duplicates += 1
        else:
            found.add(name)
            plan.experiments.append(_planned(combination, folder / name))
    if plan.impossible and not plan.experiments:
        raise UserError(next(iter(plan.impossible)))
    plan.reused = [planned for planned in plan.experiments if planned.is_done]
    plan.waves = _Needs(folder).waves(plan.todo)
    return plan


def _planned(combination: Combination, folder: Path) -> Planned:
    overrides, config = combination.overrides, combination.config
    try:
        experiment = from_config(config, in_sweep=True)
        return Planned(overrides, config, folder, experiment, experiment.plan())
    except UserError as error:
        return Planned(overrides, config, folder, error=str(error))


class _Needs:
    """Which stages are not in the store, and the job and the wave of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[tuple[str, str | None], bool] = {}
        self.missing: dict[str, tuple[int, Stage, str | None, Planned]] = {}

    def waves(self, todo: Sequence[Planned]) -> list[list[Job]]:
        for planned in todo:
            if planned.stages:
                self._depth(planned.stages[-1], None, planned)
        ends = {planned.stages[-1].key: planned for planned in reversed(todo) if planned.stages}
        waves: dict[int, list[Job]] = {}
        for depth, stage, weights_of, planned in self.missing.values():
            job = self._job(stage, weights_of, planned, ends.get(stage.key))
            waves.setdefault(depth, []).append(job)
        for jobs in waves.values():  # the longest first, or it would begin last and run alone
            jobs.sort(key=attrgetter("rows"), reverse=True)
        return [waves[depth] for depth in sorted(waves)]

    def _depth(self, stage: Stage, weights_of: str | None, planned: Planned) -> int:
        """How many missing stages, with this one, must be trained one after the other."""
        if self._is_there(stage, weights_of):
            return 0
        depth, _, known, first = self.missing.get(stage.key, (0, stage, None, planned))
        if not depth:
            before = (self._depth(*needed, planned) for needed in stage.prerequisites)
            depth = 1 + max(before, default=0)
        self.missing[stage.key] = depth, stage, weights_of or known, first
        return depth

    def _is_there(self, stage: Stage, weights_of: str | None) -> bool:
        key = stage.key, weights_of
        if key not in self.found:
            self.found[key] = store_of(stage.config).find(*key) is not None
        return self.found[key]

    def _job(
        self, stage: Stage, weights_of: str | None, first: Planned, end: Planned | None
    ) -> Job:
        """The experiment that ends with a stage trains it, unless it would drop its weights."""
        keeps = end is not None and not (
            weights_of and (end.config.keep_weights == "none" or self._is_there(stage, None))
        )
        if end is not None and keeps:
            return Job(stage, end.overrides, end.folder, weights_of)
        folder = self.folder / stage_folder(stage.key)
        return Job(stage, (*first.overrides, f"only_stage='{stage.key}'"), folder, weights_of)
