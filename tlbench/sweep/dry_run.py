"""What a sweep would do, without doing it."""

from tlbench.console import say
from tlbench.jobs.dry_run import say_older, say_unresolved, say_work
from tlbench.plan.final_scores import is_scored
from tlbench.store.store import store_of
from tlbench.sweep.allocation import Allocation
from tlbench.sweep.plan import Plan


def print_plan(plan: Plan, slurm: Allocation | None = None) -> None:
    """Print what a sweep's combinations come to, and what would be trained.

    Args:
        slurm: what each job asks of Slurm, if they go there.
    """
    dropped = [f"{count} impossible ({why})" for why, count in _short_reasons(plan).items()]
    say(
        f"{plan.combinations} combinations: {'; '.join(dropped) or '0 impossible'}; "
        f"{plan.duplicates} duplicate"
    )
    say(f"{len(plan.experiments)} experiments: {len(plan.reused)} with a record already")
    for planned in plan.experiments:
        if planned.error:
            say(f"  would fail: {planned.title}: {planned.error}")
    missing = {job.stage.key for job in plan.jobs}
    stages = plan.stages.values()
    waves = ", ".join(str(len(wave)) for wave in plan.waves)
    say(
        f"{len(stages)} stages: {len(stages) - len(missing)} reused, {len(missing)} to train"
        + (f" in {len(plan.waves)} waves of {waves}" if waves else "")
    )
    unscored = [one for one in plan.todo if one.stages and not is_scored(one.stages[-1])]
    if unscored:
        say(f"{len(unscored)} experiments to score on their test rows")
    experiments = [one.experiment for one in plan.experiments if one.experiment]
    say_unresolved(experiments)
    stores = {e.config.store_dir: store_of(e.config) for e in experiments}
    say_older(stores.values(), plan.stages)
    on_gpu = None if slurm is None else slurm.gpus > 0
    seconds = say_work([job.stage for job in plan.jobs], on_gpu)
    if slurm and (jobs := len(plan.jobs) + len(plan.scorings)):
        say(slurm.described(jobs, seconds))


def _short_reasons(plan: Plan) -> dict[str, int]:
    """Impossible combinations by kind, whatever the task or strategy in the sentence."""
    found: dict[str, int] = {}
    for reason, count in plan.impossible.items():
        same = "already" in reason
        kind = "support task = target task" if same else "no support task for a strategy with one"
        found[kind] = found.get(kind, 0) + count
    return found
