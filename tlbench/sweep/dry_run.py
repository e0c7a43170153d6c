"""What a sweep would do, without doing it."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tlbench.console import say
from tlbench.jobs.dry_run import say_memory, say_older, say_unresolved, say_work
from tlbench.plan.estimate import seconds_of_each, work_of
from tlbench.plan.final_scores import is_scored
from tlbench.plan.rows_stage import RowsStage
from tlbench.store.store import store_of
from tlbench.sweep.allocation import Allocation
from tlbench.sweep.bundles import bundles_of
from tlbench.sweep.plan import Plan, SweepJob
from tlbench.sweep.time_left import clock, seconds_left


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
    missing = {job.stage.key: job.stage for job in plan.jobs}
    writes = sum(isinstance(stage, RowsStage) for stage in missing.values())
    merges = sum(not stage.trains for stage in missing.values()) - writes
    sizes = ", ".join(str(len(wave)) for wave in plan.waves)
    say(
        f"{len(plan.stages)} stages: {len(plan.stages) - len(missing)} reused, "
        f"{len(missing) - merges - writes} to train"
        + (f", {merges} to merge" if merges else "")
        + (f", {writes} to write rows" if writes else "")
        + (f" in {len(plan.waves)} waves of {sizes}" if sizes else "")
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
    say_memory([job.stage for job in plan.jobs], on_gpu)
    if slurm and (jobs := len(plan.jobs) + len(plan.scorings)):
        say(slurm.described(jobs if slurm.stages == 1 else _say_bundles(plan, slurm), seconds))


def _say_bundles(plan: Plan, slurm: Allocation) -> int:
    """Print how many Slurm jobs several stages each come to, and how long the longest takes.

    Returns:
        How many.
    """
    waves = [bundles_of(wave, slurm.stages) for wave in [*plan.waves, plan.scorings] if wave]
    sizes, count = ", ".join(str(len(wave)) for wave in waves), sum(map(len, waves))
    trained = [bundle for wave in waves[: len(plan.waves)] for bundle in wave]
    say(
        f"hydra.launcher.stages_per_job={slurm.stages}: {len(plan.jobs) + len(plan.scorings)} "
        f"stages in {count} Slurm jobs (waves of {sizes})"
        + (f"; {_longest(trained, slurm.gpus > 0)}" if trained else "")
    )
    return count


def _longest(bundles: Sequence[Sequence[SweepJob]], on_gpu: bool) -> str:
    """Return in words how long the longest of Slurm jobs takes."""
    seconds = seconds_of_each([work_of(job.stage) for one in bundles for job in one], on_gpu)
    known = iter(one for one in seconds if one is not None)
    if None in seconds:
        return "how long each takes is not known before that"
    by_bundle = [[next(known) for _ in one] for one in bundles]
    alone, in_turns = max(map(max, by_bundle)), max(map(sum, by_bundle))
    return (
        f"the longest takes about {clock(alone)} if its stages do not slow each other, and "
        f"{clock(in_turns)} if each waits for the others"
    )


def _short_reasons(plan: Plan) -> Counter[str]:
    """Impossible combinations by kind, whatever the task or strategy in the sentence."""
    kinds: Counter[str] = Counter()
    for reason, count in plan.impossible.items():
        kinds[reason.kind] += count
    return kinds


def print_budget(plan: Plan, max_hours: float, at_once: int) -> None:
    """Print whether the time of a sweep is likely to be enough.

    Args:
        max_hours: that it has.
        at_once: how many jobs its launcher runs beside each other.
    """
    seconds = [seconds_of_each([work_of(job.stage) for job in wave]) for wave in plan.waves]
    known = [[one for one in wave if one is not None] for wave in seconds]
    limit = f"hydra.sweeper.max_hours={max_hours:g}"
    if known != seconds:
        say(f"{limit}: whether it is enough is not known before that")
        return
    needed = seconds_left(known, at_once)
    is_enough = needed <= 3600 * max_hours
    beside = "one job" if at_once == 1 else f"{at_once} jobs"
    say(
        f"{limit} is likely {'enough' if is_enough else 'too little'}: about {clock(needed)} with "
        f"{beside} at a time"
        + ("" if is_enough else "; the same command again goes on where it was")
    )


def jobs_at_once(launcher: Mapping[str, Any]) -> int:
    """Return how many jobs a launcher runs beside each other, by its config."""
    count = launcher.get("n_jobs") or launcher.get("array_parallelism") or 1
    count *= launcher.get("stages_per_job") or 1
    # joblib's -1 stands for all cores, -2 for all but one.
    return int(count) if count > 0 else max(1, (os.cpu_count() or 1) + 1 + int(count))
