"""What a sweep or a run would do, without doing it."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from tlbench.experiment import Experiment
from tlbench.missing import Missing, store_of
from tlbench.schedule import Schedule
from tlbench.stage import RECIPE_VERSION, Stage, encoder_ingredients
from tlbench.store import Store
from tlbench.summary import say
from tlbench.sweep.plan import Plan

_EVALUATION = 1 / 3  # of the work on a row: a forward pass, where training has a backward one too


def print_plan(plan: Plan) -> None:
    """Print what a sweep's combinations come to, and what would be trained."""
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
    experiments = [one.experiment for one in plan.experiments if one.experiment]
    _say_unresolved(experiments)
    stores = {e.config.store_dir: store_of(e.config) for e in experiments}
    _say_older(stores.values())
    _say_work([job.stage for job in plan.jobs])


def print_run(experiment: Experiment) -> None:
    """Print the stages of a single run and which of them are in the store."""
    stages = experiment.last_of(experiment.plan()).graph()
    missing = Missing()
    missing.add(stages)
    say(f"{experiment.title}: {len(stages)} stages")
    for stage in stages:
        rows = Schedule.planned(stage).trained_rows
        state = "to train" if stage.key in missing.stages else "reused"
        say(f"  {stage.key}  {stage.title}: {rows:,} rows, {state}")
    _say_unresolved([experiment])
    _say_older([store_of(experiment.config)])
    _say_work(missing.stages.values())


def _say_unresolved(experiments: Iterable[Experiment]) -> None:
    """Say once of every encoder why its files are not known, if they are not."""
    for reason in dict.fromkeys(e.unresolved for e in experiments if e.unresolved):
        say(f"nothing of it can be trained yet: {reason}")


def _say_older(stores: Iterable[Store]) -> None:
    """Say how many stages are of an older training, which would give other numbers."""
    for store in stores:
        older = sum(s["ingredients"].get("recipe") != RECIPE_VERSION for s in store.stages())
        if older:
            say(
                f"{older} stages in {store.root} are of an older version of tlbench, whose keys "
                "are others: they are not reused (tlbench-store prune --older-than frees them)"
            )


def _short_reasons(plan: Plan) -> dict[str, int]:
    """Impossible combinations by kind, whatever the task or strategy in the sentence."""
    found: dict[str, int] = {}
    for reason, count in plan.impossible.items():
        same = "already" in reason
        kind = "support task = target task" if same else "no support task for a strategy with one"
        found[kind] = found.get(kind, 0) + count
    return found


def _say_work(stages: Iterable[Stage]) -> None:
    schedules = [Schedule.planned(stage) for stage in stages]
    if not schedules:
        return
    trained = sum(schedule.trained_rows for schedule in schedules)
    evaluated = sum(schedule.evaluated_rows for schedule in schedules)
    say(f"at most {trained:,} rows to train and {evaluated:,} to evaluate")
    seconds = _seconds(schedules)
    if seconds is None:
        say("time: not known before the store has a finished stage of the same encoder")
    else:
        say(f"time: about {timedelta(seconds=round(seconds))} if one job runs at a time")


def _seconds(schedules: list[Schedule]) -> float | None:
    """How long it takes at the speed of the finished stages of the same encoders."""
    speeds: dict[str, dict[str, float | None]] = {}
    total = 0.0
    for schedule in schedules:
        config = schedule.stage.config
        if config.store_dir not in speeds:
            speeds[config.store_dir] = _speeds(store_of(config))
        speed = speeds[config.store_dir].get(repr(encoder_ingredients(config.encoder)))
        if speed is None:
            return None
        total += _work(schedule.trained_rows, schedule.evaluated_rows) / speed
    return total


def _speeds(store: Store) -> dict[str, float | None]:
    """Work in a second, by encoder."""
    done: dict[str, tuple[float, float]] = {}
    for found in store.stages():
        encoder = repr(found["ingredients"]["encoder"])
        work, seconds = done.get(encoder, (0.0, 0.0))
        evaluated = len(found["history"]) * _evaluated_at_once(found["ingredients"])
        work += _work(found["instances"], evaluated)
        done[encoder] = work, seconds + found["seconds"]
    return {encoder: work / seconds for encoder, (work, seconds) in done.items() if seconds}


def _evaluated_at_once(ingredients: dict[str, Any]) -> int:
    drawn = [task["drawn"] for task in ingredients["tasks"]]
    return sum(rows for splits in drawn for name, rows in splits.items() if name != "train")


def _work(trained: float, evaluated: float) -> float:
    return trained + evaluated * _EVALUATION
