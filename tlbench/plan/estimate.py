"""How long stages take, judged by those in the store."""

from collections.abc import Mapping, Sequence
from typing import Any

from tlbench.config.keys import is_under
from tlbench.plan.schedule import Schedule
from tlbench.store.store import Store, store_of

_EVALUATION = 1 / 3  # of the work on a row: a forward pass, where training has a backward one too


def estimated_seconds(
    schedules: Sequence[Schedule], on_gpu: bool | None = None
) -> list[float] | None:
    """Return how long each takes at the speed of the finished stages of the same encoder.

    None where there is no such stage for one of them.

    Args:
        on_gpu: judge by stages that were trained on GPUs, or by those that were not; None: by all.
    """
    speeds: dict[str, dict[str, float]] = {}
    seconds = []
    for schedule in schedules:
        config = schedule.stage.config
        if config.store_dir not in speeds:
            speeds[config.store_dir] = _speeds(store_of(config), on_gpu)
        speed = speeds[config.store_dir].get(_encoder_of(schedule.stage.fingerprint()))
        if speed is None:
            return None
        seconds.append(_work(schedule.trained_rows, schedule.evaluated_rows) / speed)
    return seconds


def _speeds(store: Store, on_gpu: bool | None) -> dict[str, float]:
    """Return the work done in a second, by encoder."""
    done: dict[str, tuple[float, float]] = {}
    for manifest in store.stages():
        fingerprint = manifest.get("fingerprint", {})
        if "config" not in fingerprint:  # of an older version, or no training
            continue
        if on_gpu is not None and on_gpu == (manifest["device"] == "cpu"):
            continue
        encoder = _encoder_of(fingerprint)
        work, seconds = done.get(encoder, (0.0, 0.0))
        evaluated = len(manifest["history"]) * _evaluated_at_once(fingerprint)
        work += _work(manifest["instances"], evaluated)
        done[encoder] = work, seconds + manifest["seconds"]
    return {encoder: work / seconds for encoder, (work, seconds) in done.items() if seconds}


def _encoder_of(fingerprint: Mapping[str, Any]) -> str:
    settings = fingerprint["config"]
    return repr(sorted((k, v) for k, v in settings.items() if is_under(k, ["encoder"])))


def _evaluated_at_once(fingerprint: Mapping[str, Any]) -> int:
    counts = [task["counts"] for task in fingerprint["tasks"]]
    return sum(rows for splits in counts for name, rows in splits.items() if name != "train")


def _work(trained: float, evaluated: float) -> float:
    return trained + evaluated * _EVALUATION
