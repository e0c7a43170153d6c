"""How long stages take, judged by those in the store."""

from typing import Any

from tlbench.plan.schedule import Schedule
from tlbench.plan.stage import encoder_ingredients
from tlbench.store.store import Store, store_of

_EVALUATION = 1 / 3  # of the work on a row: a forward pass, where training has a backward one too


def estimated_seconds(schedules: list[Schedule]) -> float | None:
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
