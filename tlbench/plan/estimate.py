"""How long stages take, judged by those in the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tlbench.config.keys import is_under
from tlbench.plan.rows_stage import RowsStage
from tlbench.plan.schedule import Schedule
from tlbench.plan.stage import Stage
from tlbench.plan.train_stage import TrainStage
from tlbench.store.store import Store, store_of

_FORWARD = 1 / 3  # of the work on a sequence that is trained, with a backward pass of twice that


def estimated_seconds(
    schedules: Sequence[Schedule], on_gpu: bool | None = None
) -> list[float] | None:
    """Return how long each takes at the speed of the finished stages of the same encoder.

    None where there is no such stage for one of them.

    Args:
        on_gpu: judge by stages that were trained on GPUs, or by those that were not; None: by all.
    """
    seconds = seconds_of_each([_work_of(schedule) for schedule in schedules], on_gpu)
    known = [one for one in seconds if one is not None]
    return known if len(known) == len(seconds) else None


@dataclass(frozen=True)
class Work:
    """What the making of a stage comes to at most.

    Attributes:
        amount: sequences to train, and a part of those to evaluate; 0 of what is no training.
        encoder: those of one encoder can be compared.
        store_dir: where finished ones tell how fast they are done.
    """

    amount: float
    encoder: str
    store_dir: str


def work_of(stage: Stage) -> Work:
    """Return what the making of a stage comes to."""
    if not isinstance(stage, TrainStage):
        return Work(0.0, "", stage.config.store_dir)
    return _work_of(Schedule.planned(stage))


def writing_seconds(stage: RowsStage) -> float | None:
    """Return how long the writing of rows takes at the speed of finished ones by the same model.

    None where there is none in the store.
    """
    kept = seconds = 0.0
    for manifest in store_of(stage.config).stages():
        fingerprint = manifest.get("fingerprint", {})
        if fingerprint.get("model") == stage.identity and "rows" in manifest:
            kept, seconds = kept + manifest["rows"]["kept"], seconds + manifest["seconds"]
    return sum(stage.counts.values()) * seconds / kept if kept else None


def _work_of(schedule: Schedule) -> Work:
    fingerprint = schedule.stage.fingerprint()
    amount = _work(schedule.passes, schedule.evaluated_sequences, fingerprint)
    encoder = _encoder_of(fingerprint)
    return Work(amount, encoder, schedule.stage.config.store_dir)


def seconds_of_each(works: Sequence[Work], on_gpu: bool | None = None) -> list[float | None]:
    """Return the same as ``estimated_seconds``, and None where there is no such stage."""
    folders = {work.store_dir for work in works if work.amount}
    speeds = {folder: _speeds(Store(folder), on_gpu) for folder in folders}
    return [_seconds(work, speeds) for work in works]


def _seconds(work: Work, speeds: Mapping[str, Mapping[str, float]]) -> float | None:
    if not work.amount:
        return 0.0
    speed = speeds[work.store_dir].get(work.encoder)
    return None if speed is None else work.amount / speed


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
        evaluated = len(manifest["history"]) * _evaluated_at_once(manifest)
        passes: int = manifest.get("passes") or manifest["instances"]  # of before there was any
        work += _work(passes, evaluated, fingerprint)
        done[encoder] = work, seconds + manifest["seconds"]
    return {encoder: work / seconds for encoder, (work, seconds) in done.items() if seconds}


def _encoder_of(fingerprint: Mapping[str, Any]) -> str:
    settings = fingerprint["config"]
    return repr(sorted((k, v) for k, v in settings.items() if is_under(k, ["encoder"])))


def _evaluated_at_once(manifest: Mapping[str, Any]) -> int:
    """Return how many sequences an evaluation of a finished stage had."""
    return sum(
        rows * manifest["tasks"][task["name"]].get("sequences", 1)
        for task in manifest["fingerprint"]["tasks"]
        for name, rows in task["counts"].items()
        if name != "train"
    )


def _work(trained: float, evaluated: float, fingerprint: Mapping[str, Any]) -> float:
    has_backward = fingerprint["config"].get("trainable") != "heads"
    return (trained if has_backward else trained * _FORWARD) + evaluated * _FORWARD
