"""A stage of a user's that is no training, and strategies that make it or get it wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tlbench.plan.experiment import Experiment
from tlbench.plan.stage import Need, Stage
from tlbench.training.context import StageContext


@dataclass(frozen=True)
class MeanScore(Stage):
    """Gives the target the mean of its own score and those of the tasks that it needs alone."""

    alone: tuple[Stage, ...] = ()

    run: ClassVar[str] = "tests.support.own_stage.mean_score"

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(Need(stage) for stage in self.alone)

    @property
    def title(self) -> str:
        return f"mean({'+'.join(stage.title for stage in self.alone)})"

    def fingerprint(self) -> dict[str, Any]:
        return {"mean_of": [stage.key for stage in self.alone]}

    def check(self) -> None:
        pass


def mean_score(context: StageContext, loggers: Sequence[Any]) -> dict[str, Any]:
    """Return the least that a stage may: the score and the metrics of its task."""
    (task,) = context.stage.tasks
    scores = list(context.single_task_scores.values())
    score = sum(scores) / len(scores)
    return {"tasks": {task: {"score": score, "metrics": {"accuracy": score}}}}


def mean(experiment: Experiment) -> Stage:
    """The target's score averaged with those of the supports, each trained alone."""
    subsets = (experiment.target, *experiment.supports)
    alone = tuple(experiment.stage([subset]) for subset in subsets)
    return MeanScore(experiment.config, (experiment.target,), alone)


def then_target(experiment: Experiment) -> Stage:
    """Starts a training from what has no weights."""
    return experiment.stage([experiment.target], start=mean(experiment))


class NotThere(MeanScore):
    """Its run is nowhere."""

    run = "tests.support.own_stage.no_such"


class Silent(MeanScore):
    """Its run returns nothing."""

    run = f"{__name__}.nothing"


@dataclass(frozen=True)
class Unfinished(Stage):
    """Lacks a part."""

    needs = ()
    title = "unfinished"

    def check(self) -> None:
        pass


def not_there(experiment: Experiment) -> Stage:
    """A stage that nothing can make."""
    return NotThere(experiment.config, (experiment.target,))


def nothing(*_: object) -> None:
    """What a run must not be."""


def silent(experiment: Experiment) -> Stage:
    """A stage that finds nothing."""
    return Silent(experiment.config, (experiment.target,))


def unfinished(experiment: Experiment) -> Stage:
    """A stage without a key."""
    return Unfinished(experiment.config, (experiment.target,))  # type: ignore[abstract]
