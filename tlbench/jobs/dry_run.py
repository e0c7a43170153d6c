"""What a run would do, without doing it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from operator import mul

from tlbench.config import gpus
from tlbench.config.schema import TrainerConfig
from tlbench.console import say
from tlbench.plan.estimate import estimated_seconds, writing_seconds
from tlbench.plan.experiment import Experiment
from tlbench.plan.final_scores import is_scored, tested
from tlbench.plan.memory import largest
from tlbench.plan.missing import Missing
from tlbench.plan.rows_stage import RowsStage
from tlbench.plan.schedule import Schedule, trained_rows
from tlbench.plan.stage import Stage
from tlbench.plan.train_stage import TRAINING_VERSION, TrainStage
from tlbench.store.store import Store, store_of


def print_run(experiment: Experiment) -> None:
    """Print the stages of a single run and which of them are in the store."""
    stages = experiment.last_of(experiment.plan()).graph()
    missing = Missing()
    missing.add(stages)
    say(f"{experiment.title}: {len(stages)} stages")
    # Of sweeps nothing is tokenised, so that they are planned without torch.
    from tlbench.jobs.dry_run_data import say_data

    longest = say_data(experiment, stages)
    for stage in stages:
        rows = f"{trained_rows(stage):,} rows, " if stage.trains else ""
        to_make = "to train" if stage.trains else "to make"
        state = to_make if stage.key in missing.stages else "reused"
        say(f"  {stage.key}  {stage.title}: {rows}{state}")
    target = tested(stages[-1])
    if target:
        state = "scored already" if is_scored(stages[-1]) else "to score"
        say(f"  {target.test_rows:,} test rows of {target.name}, {state}")
    say_unresolved([experiment])
    say_older([store_of(experiment.config)])
    say_work(missing.stages.values())
    say_memory(missing.stages.values(), tokens=longest)


def say_memory(
    stages: Iterable[Stage], on_gpu: bool | None = None, tokens: int | None = None
) -> None:
    """Print about how much memory the stage that takes most takes of a device.

    Args:
        on_gpu: whether they are trained on GPUs; None: on what this machine has.
        tokens: of the longest row; None: as many as ``encoder.max_length`` allows.
    """
    trained = [stage for stage in stages if isinstance(stage, TrainStage)]
    if not trained:
        return
    if on_gpu is None:
        on_gpu = _can_be_on_gpu(stage.config.trainer for stage in trained) and bool(
            gpus.available()
        )
    memory = largest(trained, on_gpu, tokens)
    unknown = "not known of an encoder of this family, or before its config.json is here"
    say(f"memory: {memory or unknown}")


def say_unresolved(experiments: Iterable[Experiment]) -> None:
    """Say once of every encoder why its files are not known, if they are not."""
    for reason in dict.fromkeys(e.unresolved for e in experiments if e.unresolved):
        say(f"nothing of it can be trained yet: {reason}")


def say_older(stores: Iterable[Store], present: Collection[str] = ()) -> None:
    """Say how many stages are of an older training, which would give other numbers.

    Args:
        present: keys of stages as today's training makes them, which need not be read.
    """
    for store in stores:
        manifests = store.stages(without=present)
        versions = [manifest.get("fingerprint", {}).get("training") for manifest in manifests]
        older = sum(version != TRAINING_VERSION for version in versions)
        if older:
            say(
                f"{older} stages in {store.root} are of an older version of tlbench, whose keys "
                "are others: they are not reused (tlbench-store prune --older-than frees them)"
            )


def say_work(stages: Iterable[Stage], on_gpu: bool | None = None) -> list[float] | None:
    """Print how many rows stages train and evaluate at most, and about how long it takes.

    Args:
        on_gpu: whether they are trained on GPUs; None: on what this machine has.

    Returns:
        The seconds that each training takes, where that is known.
    """
    stages = [*stages]
    say_tokens(stage for stage in stages if isinstance(stage, RowsStage))
    schedules = [Schedule.planned(stage) for stage in stages if isinstance(stage, TrainStage)]
    if not schedules:
        return []
    trained = sum(schedule.trained_rows for schedule in schedules)
    evaluated = sum(schedule.evaluated_rows for schedule in schedules)
    passes = sum(schedule.passes for schedule in schedules)
    more = "" if passes == trained else f", {passes:,} passes through the encoder,"
    say(f"at most {trained:,} rows to train{more} and {evaluated:,} to evaluate")
    seconds = estimated_seconds(schedules, on_gpu)
    if seconds is None:
        where = " that was trained on a GPU" if on_gpu else ""
        say(f"time: not known before the store has a finished stage of the same encoder{where}")
        return None
    duration = timedelta(seconds=round(sum(seconds)))
    device_hours = "" if on_gpu is not None else _device_hours(schedules, seconds)
    say(f"time: about {duration} if one job runs at a time{device_hours}")
    return seconds


def say_tokens(stages: Iterable[RowsStage]) -> None:
    """Print how much language models write, and how long it takes where that is known."""
    for stage in stages:
        rows = sum(stage.counts.values())
        seconds = writing_seconds(stage)
        known = "" if seconds is None else f", about {timedelta(seconds=round(seconds))}"
        say(
            f"{stage.title}: {rows:,} rows for a language model to write{known}; at most "
            f"{stage.most_tokens:,} tokens"
        )


def _device_hours(schedules: Sequence[Schedule], seconds: Sequence[float]) -> str:
    """Return what trainings take of this machine's devices, in words; nothing of one CPU."""
    trainers = [schedule.stage.config.trainer for schedule in schedules]
    available = len(gpus.available()) if _can_be_on_gpu(trainers) else 0
    devices = [max(1, available) if t.devices == "auto" else int(t.devices) for t in trainers]
    if not available and max(devices) == 1:
        return ""
    hours = sum(map(mul, seconds, devices)) / 3600
    return f": {hours:.3g} {'GPU' if available else 'device'} hours"


def _can_be_on_gpu(trainers: Iterable[TrainerConfig]) -> bool:
    return all(trainer.accelerator in ("auto", "gpu", "cuda") for trainer in trainers)
