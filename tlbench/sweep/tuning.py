"""A tuned sweep: trials choose values for every candidate, then the seeds of the chosen are run.

Trials are experiments below the study's folder and stages of the store: given again the same
command trains only what is new.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tlbench.config.identity import job_folder_name
from tlbench.console import console
from tlbench.errors import UserError
from tlbench.plan.experiment import choice_of
from tlbench.records.record import TRIALS
from tlbench.sweep import run
from tlbench.sweep.board import distinct
from tlbench.sweep.compose import Combination, Options
from tlbench.sweep.limits import Limits
from tlbench.sweep.plan import Plan, PlannedExperiment, make_plan
from tlbench.sweep.tuning_candidates import (
    Candidate,
    Values,
    candidates_of,
    final_overrides,
    trial_overrides,
    with_shared_trials,
)
from tlbench.sweep.tuning_choice import Choice, Trial, choices_table, choose
from tlbench.sweep.tuning_search import Search
from tlbench.sweep.watch import Watch

# Of a folder: what launches jobs into it, and until when they may begin.
Place = Callable[[Path], tuple[run.Launch, Limits]]


@dataclass(frozen=True)
class Round:
    """Trials that can run beside each other.

    Attributes:
        trials: by the overrides of what is tried, each combination's planned experiment.
    """

    plan: Plan
    trials: dict[Options, list[PlannedExperiment]]


@dataclass
class Tuning:
    """A tuned sweep in a folder.

    Attributes:
        compose: gives the config of overrides.
        is_dry: whether nothing will be run.
        titles: what a person reads of what is tried, by its overrides; no two are the same.
        choices: by the overrides of what is tried.
    """

    folder: Path
    search: Search
    candidates: Sequence[Candidate]
    compose: Callable[[Options], Combination]
    is_dry: bool = False
    titles: Mapping[Options, str] = field(default_factory=dict)
    choices: dict[Options, Choice] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        plan: Plan,
        search: Search,
        compose: Callable[[Options], Combination],
        folder: Path,
        is_dry: bool,
    ) -> "Tuning":
        """Return the tuning of the candidates of a plan of all their seeds.

        Raises:
            UserError: if one of them can't be planned.
        """
        tuning = cls(folder, search, candidates_of(plan), compose, is_dry)
        one_each = replace(tuning, search=replace(search, trials=1))
        one = one_each.round(one_each.rounds[0])
        first = {overrides: trials[0] for overrides, trials in one.trials.items()}
        stages = {overrides: trial.stages[-1].key for overrides, trial in first.items()}
        plain = {one.overrides: one.title for one in tuning.candidates}
        plain = {overrides: choice_of(trial.config) for overrides, trial in first.items()} | plain
        shared = with_shared_trials(tuning.candidates, stages)
        tuning = replace(tuning, candidates=shared)
        tried = list(dict.fromkeys(overrides for one in tuning.rounds for overrides in one))
        titles = distinct([plain[overrides] for overrides in tried], tried)
        return replace(tuning, titles=dict(zip(tried, titles, strict=True)))

    @property
    def alone(self) -> list[Options]:
        """Tasks alone that candidates start from, and that are no candidates themselves."""
        own = {one.overrides for one in self.candidates}
        supports = [one for candidate in self.candidates for one in candidate.alone.values()]
        tried = [*supports, *(one.tried for one in self.candidates)]
        return [one for one in dict.fromkeys(tried) if one not in own]

    @property
    def rounds(self) -> list[list[Options]]:
        """What is tried, in the order in which it must be: no round of none."""
        own = [one for one in self.candidates if one.has_trials]
        first = [*self.alone, *(one.tried for one in own if not one.alone)]
        second = [one.tried for one in own if one.alone]
        return [tried for tried in (first, second) if tried]

    def round(self, tried: Sequence[Options]) -> Round:
        """Plan the trials of what is tried, given what is chosen of what it starts from.

        Raises:
            UserError: if one of them can't be planned.
        """
        by_overrides = {one.overrides: one for one in self.candidates}
        composed: dict[Options, list[Combination]] = {}
        for overrides in tried:
            supports = self.supports(by_overrides[overrides]) if overrides in by_overrides else {}
            composed[overrides] = [
                self.compose(trial_overrides(overrides, self.search, values, supports))
                for values in self.search.combinations
            ]
        every = [combination for of_one in composed.values() for combination in of_one]
        plan = self._plan(every, self.folder / TRIALS)
        planned = {one.folder.name: one for one in plan.experiments}
        trials = {
            overrides: [planned[job_folder_name(one.plain)] for one in of_one]
            for overrides, of_one in composed.items()
        }
        return Round(plan, trials)

    def supports(self, candidate: Candidate) -> dict[str, Values]:
        """Return the values that are chosen for each support that a candidate trains alone."""
        return {name: self.choices[one].best.values for name, one in candidate.alone.items()}

    def finals(self) -> tuple[Plan, dict[str, Candidate]]:
        """Plan the runs of the chosen values; with the candidate of each, by its folder's name.

        Raises:
            UserError: if one of them can't be planned.
        """
        composed: list[tuple[Candidate, Combination]] = []
        for candidate in self.candidates:
            chosen = self.choices[candidate.tried].best.values, self.supports(candidate)
            for one in candidate.runs:
                overrides = final_overrides(one, self.search, *chosen)
                composed.append((candidate, self.compose(overrides)))
        plan = self._plan([combination for _, combination in composed], self.folder)
        return plan, {job_folder_name(one.plain): candidate for candidate, one in composed}

    def _plan(self, combinations: Sequence[Combination], folder: Path) -> Plan:
        plan = make_plan(combinations, folder, self.is_dry)
        if errors := [planned.error for planned in plan.experiments if planned.error]:
            raise UserError(errors[0])
        return plan

    def choose(self, one: Round) -> None:
        """Choose values by the trials of a round, which are finished.

        Raises:
            UserError: if something has no trial with a score.
        """
        for overrides, planned in one.trials.items():
            pairs = zip(self.search.combinations, planned, strict=True)
            trials = [_finished(values, trial) for values, trial in pairs]
            self.choices[overrides] = choose(self.titles[overrides], trials)


def _finished(values: Values, planned: PlannedExperiment) -> Trial:
    record = planned.find_done()
    score = record.held_out_score if record and record.status == "done" else None
    return Trial(values, score, planned.stages[-1].key)


def conduct(tuning: Tuning, place: Place, progress_bar: bool | None) -> None:
    """Run the trials, choose, run the seeds of what is chosen, and say what came of it.

    Trials that have failed or are not finished end the sweep before it chooses: all candidates have
    the same number of trials, and a choice without some could be another one once they are there.

    Raises:
        UserError: if an experiment has failed; ``OutOfTimeError`` if the time is used up.
    """
    launch, limits = place(tuning.folder)
    for tried in tuning.rounds:
        one = tuning.round(tried)
        launch_trials, limits_of_trials = place(tuning.folder / TRIALS)
        outcome = _run(one.plan, launch_trials, limits_of_trials, progress_bar)
        run.say_failures(outcome.failed)
        run.raise_if_incomplete(outcome, limits_of_trials)
        tuning.choose(one)
    console().print(choices_table(tuning.choices.values(), list(tuning.search.grid)))
    plan, candidates = tuning.finals()
    outcome = _run(plan, launch, limits, progress_bar)
    for planned in (*outcome.reused, *outcome.done):
        _note(tuning, planned, candidates[planned.folder.name])
    run.report(outcome, tuning.folder, limits)


def _run(plan: Plan, launch: run.Launch, limits: Limits, progress_bar: bool | None) -> run.Outcome:
    limits.open()
    with Watch(plan, limits, progress_bar) as watch:
        return run.run(plan, launch, watch)


def _note(tuning: Tuning, planned: PlannedExperiment, candidate: Candidate) -> None:
    """Write into a run's record what was tried for its candidate, and for what it starts from."""
    assert planned.record is not None
    tried = dict.fromkeys([*candidate.alone.values(), candidate.tried])
    entries = [entry for one in tried for entry in tuning.choices[one].entries]
    if planned.record.tuning != entries:
        replace(planned.record, tuning=entries).write(planned.folder)
