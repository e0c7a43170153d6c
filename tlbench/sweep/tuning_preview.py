"""What a tuned sweep would do, without doing it."""

from dataclasses import replace
from math import ceil

from tlbench.console import say
from tlbench.jobs.dry_run import say_unresolved, say_work
from tlbench.plan.missing import Missing
from tlbench.plan.schedule import trained_rows
from tlbench.sweep.allocation import Allocation
from tlbench.sweep.plan import Plan, PlannedExperiment
from tlbench.sweep.tuning_choice import Choice, Trial
from tlbench.sweep.tuning_plan import Round, Tuning


def preview(tuning: Tuning, slurm: Allocation | None = None) -> None:
    """Print how many trials each candidate gets, and what is to be trained at most.

    What is not chosen yet is taken to be the combination that trains most.

    Args:
        slurm: what each job asks of Slurm, if they go there.

    Raises:
        UserError: if something can't be planned.
    """
    assumed = replace(tuning, choices={})
    plans: list[Plan] = []
    trials = 0
    for tried in tuning.rounds:
        one = assumed.round(tried)
        plans.append(one.plan)
        trials += sum(map(len, one.trials.values()))
        _assume(assumed, one)
    finals, _ = assumed.finals()
    plans.append(finals)
    say(_budget(tuning))
    stages, missing = _stages(plans)
    to_train = len(missing.stages)
    say(
        f"{trials} trials and {len(finals.experiments)} runs of what they choose: {len(stages)} "
        f"stages, {len(stages) - to_train} of them reused and at most {to_train} to train"
    )
    say_unresolved(one.experiment for plan in plans for one in plan.experiments if one.experiment)
    seconds = say_work(missing.stages.values(), None if slurm is None else slurm.gpus > 0)
    if slurm and missing.stages:
        say(slurm.described(ceil(len(missing.stages) / slurm.stages), seconds))


def _budget(tuning: Tuning) -> str:
    """Return in a sentence that all candidates have the same number of trials."""
    trials, alone = len(tuning.search.combinations), [tuning.titles[one] for one in tuning.alone]
    own = sum(one.has_trials for one in tuning.candidates)
    parts = [f"tuning: {trials} trials for each of {own} candidates"]
    if alone:
        names = ", ".join(alone)
        parts.append(f"tasks alone that they start from: {trials} for each of {names}")
    if others := [one.title for one in tuning.candidates if not one.has_trials]:
        names = ", ".join(dict.fromkeys(others))
        parts.append(f"{names}: trains nothing of its own, so with the values of tasks alone")
    return "; ".join(parts)


def _stages(plans: list[Plan]) -> tuple[set[str], Missing]:
    """Return the keys of all stages, and which of them are missing."""
    missing = Missing()
    for plan in plans:
        for one in plan.todo:
            missing.add(one.stages)
    return {key for plan in plans for key in plan.stages}, missing


def _assume(tuning: Tuning, one: Round) -> None:
    """Choose where all trials are finished, else what trains most."""
    for overrides, planned in one.trials.items():
        if all(trial.record for trial in planned):
            tuning.choose(Round(one.plan, {overrides: planned}))
            continue
        pairs = zip(tuning.search.combinations, planned, strict=True)
        trials = tuple(Trial(values, None, trial.stages[-1].key) for values, trial in pairs)
        heaviest = max(range(len(planned)), key=lambda i: _rows(planned[i]))
        tuning.choices[overrides] = Choice("", trials, trials[heaviest])


def _rows(planned: PlannedExperiment) -> int:
    return sum(map(trained_rows, planned.stages))
