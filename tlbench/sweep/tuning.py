"""A tuned sweep: trials choose values for every candidate, then the seeds of the chosen are run.

Trials are experiments below the study's folder and stages of the store: given again the same
command trains only what is new.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tlbench.console import console
from tlbench.records.record import TRIALS
from tlbench.sweep import run
from tlbench.sweep.limits import Limits
from tlbench.sweep.plan import Plan, PlannedExperiment
from tlbench.sweep.tuning_candidates import Candidate
from tlbench.sweep.tuning_choice import choices_table
from tlbench.sweep.tuning_plan import Tuning
from tlbench.sweep.watch import Watch

# Of a folder: what launches jobs into it, and until when they may begin.
Place = Callable[[Path], tuple[run.Launch, Limits]]


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
