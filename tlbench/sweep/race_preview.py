"""What a race would do next, without doing it."""

from collections import Counter

from tlbench.console import say
from tlbench.jobs.dry_run import say_work
from tlbench.sweep.board import distinct
from tlbench.sweep.race import Race
from tlbench.sweep.race_candidates import new_stages, price
from tlbench.sweep.race_priors import Priors, say_ranking, say_skipped

_GRID = 5  # seeds of a full grid that a race is compared with


def preview(race: Race, priors: Priors) -> None:
    """Print the candidates, what the race has cost, and its next round.

    Without any training to come, print what every predictor says of the supports instead.

    Raises:
        UserError: if a first seed of every candidate is too much for the budget.
    """
    by_target = Counter(one.target for one in race.candidates)
    many = ", ".join(f"{count} for {target}" for target, count in by_target.items())
    grid = new_stages(run for one in race.candidates for run in one.runs[:_GRID])
    say(f"race: candidates: {many}; {race.spent} of {race.options.trainings} trainings used")
    say(f"new stages of all of them: {len(grid)} at {_GRID} seeds each")
    say_skipped(race.state.skipped, priors)
    if race.options.trainings == 0:
        say_ranking(race.candidates, priors)
        return
    batch = race.unfinished() or race.next_round()
    if not batch:
        say("next round: none")
        return
    stages = new_stages(batch)
    new = f"{len(stages)} new stages of {price(stages):,} rows trained"
    say(f"next round: {len(batch)} runs, {new}")
    for title in distinct([run.title for run in batch], [run.overrides for run in batch]):
        say(f"  {title}")
    say_work(stages)
