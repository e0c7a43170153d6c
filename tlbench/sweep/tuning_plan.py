"""The plan of a tuned sweep: which trials there are, in which order, and the runs that follow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tlbench.config.identity import job_folder_name
from tlbench.plan.experiment import choice_of
from tlbench.records.record import TRIALS
from tlbench.sweep.board import distinct
from tlbench.sweep.compose import Combination, Options
from tlbench.sweep.plan import Plan, PlannedExperiment, check_planned, make_plan
from tlbench.sweep.tuning_candidates import (
    Candidate,
    Values,
    candidates_of,
    final_overrides,
    trial_overrides,
    with_shared_trials,
)
from tlbench.sweep.tuning_choice import Choice, Trial, choose
from tlbench.sweep.tuning_search import Search


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
        candidates = candidates_of(plan)
        one_each = cls(folder, replace(search, trials=1), candidates, compose, is_dry)
        trials = one_each.round(one_each.rounds[0]).trials
        stages = {overrides: of_one[0].stages[-1].key for overrides, of_one in trials.items()}
        tuning = cls(folder, search, with_shared_trials(candidates, stages), compose, is_dry)
        plain = {overrides: choice_of(of_one[0].config) for overrides, of_one in trials.items()}
        plain |= {one.overrides: one.title for one in candidates}
        tried = [overrides for one in tuning.rounds for overrides in one]
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
        study = f"{self.folder.name}_{TRIALS}"
        composed: dict[Options, list[Combination]] = {}
        for overrides in tried:
            supports = self.supports(by_overrides[overrides]) if overrides in by_overrides else {}
            composed[overrides] = [
                self.compose(trial_overrides(overrides, self.search, values, supports, study))
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
        check_planned(plan)
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
    score = record.held_out_score if record else None  # of one that has diverged there is none
    return Trial(values, score, planned.stages[-1].key)
