"""A race: candidates are given seeds round by round, until the answer is there or the budget out.

What it has begun is in the folder (``race_state``), what is finished in the store and in records:
given again the same command goes on, with a larger budget or another support too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tlbench.analysis.batches import Key
from tlbench.analysis.looks import Looks
from tlbench.analysis.names import Labels, labels_of
from tlbench.analysis.race import Decision, race_decision
from tlbench.analysis.race_words import heading, numbers, sentences
from tlbench.console import say
from tlbench.errors import UserError
from tlbench.records.definitions import BASELINE
from tlbench.sweep import run
from tlbench.sweep.limits import Limits
from tlbench.sweep.plan import Plan, PlannedExperiment, check_planned, part_of
from tlbench.sweep.race_candidates import (
    Place,
    RaceCandidate,
    affordable,
    candidates_of,
    keys_of,
    new_stages,
    protocol_of,
    table_of_race,
)
from tlbench.sweep.race_priors import Priors, promises, promising_first, skipped
from tlbench.sweep.race_state import RaceState
from tlbench.sweep.watch import Watch

MOST_SEEDS = 10


@dataclass(frozen=True)
class RaceOptions:
    """What a race may cost, and when it has its answer.

    Attributes:
        trainings: how many stages it may train in all, whichever of its commands does.
        matters: the difference that does not matter, a fraction.
        seeds: how many a candidate is given at most.
        looks: after how many seeds it is judged; None for the looks of every study.
        contenders: how many candidates go on in a round beside ``single``.
    """

    trainings: int
    matters: float
    seeds: int
    looks: tuple[int, ...] | None
    contenders: int

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "RaceOptions":
        """Return the options of a sweeper's config.

        Raises:
            UserError: if one can't be used.
        """
        known = [one.name for one in fields(cls)]
        for name in options:
            if name not in known:
                raise UserError(f"Leave out hydra.sweeper.{name}: a race has {', '.join(known)}.")
        if options["trainings"] is None:
            raise UserError(
                "Add hydra.sweeper.trainings=40, or how many stages else the race may train."
            )
        looks = options["looks"]
        found = cls(**{**options, "looks": None if looks is None else tuple(looks)})
        found.check()
        return found

    def check(self) -> None:
        """Refuse what can't be raced with.

        Raises:
            UserError: naming the override to change.
        """
        bounds = {
            "trainings": (0, 10**6),
            "matters": (0, 1),
            "seeds": (2, MOST_SEEDS),
            "contenders": (1, 1000),
        }
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise UserError(
                    f"Change hydra.sweeper.{name}: {getattr(self, name):g} is not from {least} to "
                    f"{most:,}."
                )
        if self.looks is not None:
            Looks(self.looks)


@dataclass(frozen=True)
class Standing:
    """Where a race stands after a round.

    Attributes:
        by_key: the candidates that have a record.
        decisions: one for every target; none before the first record.
        labels: how strategies are called.
    """

    by_key: Mapping[Place, RaceCandidate] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    labels: Labels = field(default_factory=lambda: Labels({}, {}))


@dataclass
class Race:
    """A race in a folder.

    Attributes:
        candidates: the baseline of every target before its others.
        outcome: of all its experiments so far.
    """

    folder: Path
    candidates: Sequence[RaceCandidate]
    options: RaceOptions
    state: RaceState
    outcome: run.Outcome = field(default_factory=run.Outcome)
    _standing: Standing | None = None

    @classmethod
    def of(cls, plan: Plan, folder: Path, options: RaceOptions, priors: Priors) -> "Race":
        """Return the race over the candidates of a plan of all their seeds.

        Raises:
            UserError: if an option can't be used, there is nothing to race, or looks have changed.
        """
        check_planned(plan)
        candidates = candidates_of(plan.experiments)
        targets = {one.target for one in candidates if not one.is_baseline}
        if alone := sorted({one.target for one in candidates} - targets):
            raise UserError(
                f"Add a support_task for {', '.join(alone)}: there is nothing to race with single."
            )
        looks = None if options.looks is None else list(options.looks)
        state = RaceState.read(folder, looks, protocol_of(candidates))
        promise = promises(candidates, priors)
        # Said once: what a predictor says may change with the stages that are finished.
        if not priors.skip:
            state.skipped = {}
        elif not state.skipped:
            state.skipped = skipped(promise, priors.skip)
        tried = [one for one in candidates if one.support not in state.skipped.get(one.target, ())]
        return cls(folder, promising_first(tried, promise), options, state)

    @property
    def spent(self) -> int:
        """How many stages it has trained, or begun to."""
        return len(self.state.stages)

    @property
    def left(self) -> int:
        """How many stages it may still train."""
        return self.options.trainings - self.spent

    def standing(self) -> Standing:
        """Return where it stands; the records are read once after every round."""
        if self._standing is None:
            self._standing = self._judged()
        return self._standing

    def _judged(self) -> Standing:
        table = table_of_race(self.folder, self.candidates, {*self.state.experiments})
        if table is None:
            return Standing()
        looks, matters = self.options.looks, self.options.matters
        decisions = race_decision(table, looks=looks, matters=matters)
        return Standing(keys_of(table, self.candidates), decisions, labels_of(table))

    def note(self, outcome: run.Outcome) -> None:
        """Note what became of a round."""
        self.outcome.add(outcome)
        self._standing = None

    def next_round(self) -> list[PlannedExperiment]:
        """Return the runs of the next round that the budget has room for; none at the end.

        Raises:
            UserError: if a first seed of every candidate is too much for it.
        """
        begun = {*self.state.experiments}
        launched = frozenset(self.state.stages)
        new = [one for one in self.candidates if one.runs[0].folder.name not in begun]
        if new:
            first = [one.runs[0] for one in new]
            if len(affordable(first, self.left, launched)) < len(first):
                cost = len({stage.key for stage in new_stages(first)} - launched)
                raise UserError(
                    f"Raise hydra.sweeper.trainings by {cost - self.left}, or race fewer "
                    f"candidates: a first seed of each trains {cost} stages."
                )
            return first
        return affordable(self.wanted(), self.left, launched)

    def wanted(self) -> list[PlannedExperiment]:
        """Return the runs of the next round whatever the budget, the first ones of all targets
        before the second; none once every candidate that may be the best has had all its seeds.
        """
        by_target = [self._of_target(decision) for decision in self.standing().decisions]
        return [run for turn in zip_longest(*by_target) for run in turn if run is not None]

    def _of_target(self, decision: Decision) -> list[PlannedExperiment]:
        """Return the next runs for a target: the baseline's, contenders', and all that are free."""
        by_key, begun = self.standing().by_key, {*self.state.experiments}

        def next_run(key: Key) -> PlannedExperiment | None:
            one = by_key.get((*decision.target, key))  # None of what the command does not name
            return one.next_run(begun) if one else None

        others = [run for key in decision.ranked if key[0] != BASELINE and (run := next_run(key))]
        if not others:
            return []
        free = [run for run in others[self.options.contenders :] if not new_stages([run])]
        # It stands in every comparison, also where it is certain not to be the best.
        single = decision.verdict.single
        baseline = next_run(single.key) if single else None
        first = [baseline] if baseline else []
        return [*first, *others[: self.options.contenders], *free]

    def unfinished(self) -> list[PlannedExperiment]:
        """Return the runs that a round has begun and that have no result yet."""
        begun = {*self.state.experiments}
        runs = [run for one in self.candidates for run in one.runs if run.folder.name in begun]
        self.outcome.reused = [run for run in runs if run.record]
        return [run for run in runs if not run.record]


def conduct(race: Race, launch: run.Launch, limits: Limits, progress_bar: bool | None) -> None:
    """Run a race to its end, and say what it has found.

    Raises:
        UserError: if an experiment has failed; ``OutOfTimeError`` if its time is used up.
    """
    batch = race.unfinished()
    while not limits.are_reached:
        if batch := batch or race.next_round():
            _run_round(race, batch, launch, limits, progress_bar)
            _say_look(race)
            batch = []
        else:
            break
    _say_end(race)
    run.report(race.outcome, race.folder, limits)


def _run_round(
    race: Race,
    batch: Sequence[PlannedExperiment],
    launch: run.Launch,
    limits: Limits,
    progress_bar: bool | None,
) -> None:
    plan = part_of(batch, race.folder)
    keys = [job.stage.key for job in plan.jobs if job.stage.trains]  # a merge is no training
    begun = {*race.state.experiments}
    if new := [one.folder.name for one in batch if one.folder.name not in begun]:
        race.state.begin(race.folder, new, keys)
    else:
        race.state.launch(race.folder, keys)
    with Watch(plan, limits, progress_bar) as watch:
        race.note(run.run(plan, launch, watch))


def _say_look(race: Race) -> None:
    standing = race.standing()
    if not standing.decisions:
        return
    say(f"round {len(race.state.rounds)}: {race.spent} of {race.options.trainings} trainings used")
    for decision in standing.decisions:
        say(f"  {heading(decision, standing.labels)}")
        for sentence in numbers(decision, standing.labels):
            say(f"    {sentence}")


def _say_end(race: Race) -> None:
    """Say what the race has found of every target."""
    standing = race.standing()
    if not standing.decisions:
        return
    say(f"race: {_why(race)}")
    for decision in standing.decisions:
        say(heading(decision, standing.labels))
        for sentence in sentences(decision, standing.labels):
            say(f"  {sentence}")


def _why(race: Race) -> str:
    """Return why it has ended."""
    used = f"{race.spent} of {race.options.trainings} trainings used"
    if all(one.end != "open" for one in race.standing().decisions):
        return f"answered; {used}"
    wanted = race.wanted()
    if not wanted:
        return f"all that may be the best have had their {race.options.seeds} seeds; {used}"
    if len(new_stages(wanted[:1])) > race.left:
        return f"budget out; {used}"
    return f"stopped; {used}"
