"""What every predictor says of the supports of a target."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.plan.experiment import Experiment
from tlbench.plan.missing import find
from tlbench.plan.train_stage import TrainStage
from tlbench.predictors.earlier import earlier
from tlbench.predictors.knn import knn
from tlbench.predictors.logme import logme
from tlbench.predictors.similarity import task_similarity, text_similarity
from tlbench.predictors.size_rule import size_rule
from tlbench.store.store import store_of

if TYPE_CHECKING:
    from tlbench.training.features import RowFeatures

# What it needs beside rows and the pretrained encoder.
PREDICTORS = {
    "size_rule": "",
    "text_similarity": "",
    "logme": "the support's finished stage",
    "knn": "the support's finished stage",
    "task_embedding": "the finished stages of support and target",
    "earlier": "finished studies",
}

Numbers = dict[str, float]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What one predictor says.

    Attributes:
        by_support: a number, the larger the more promising, of every support that it can judge.
    """

    predictor: str
    by_support: Numbers


def predictions(
    experiments: Sequence[Experiment],
    studies: pd.DataFrame | None = None,
    predictors: Iterable[str] = tuple(PREDICTORS),
) -> list[Prediction]:
    """Return what predictors say of a target's supports; those that can judge none are left out.

    Args:
        experiments: of one target, each with one support, of any seeds.
        studies: records of finished studies, as ``collect`` gives them.
        predictors: their names.
    """
    by_support: dict[str, list[Experiment]] = {}
    for one in experiments:
        by_support.setdefault(one.supports[0].name, []).append(one)
    features = cache(lambda: _features_of_finished(by_support))  # one forward for all who ask
    sources: Mapping[str, Callable[[], Numbers]] = {
        "size_rule": lambda: {name: _size(of[0]) for name, of in by_support.items()},
        "text_similarity": lambda: _text_similarities(by_support),
        "logme": lambda: _judged(features(), logme),
        "knn": lambda: _judged(features(), knn),
        "task_embedding": lambda: _task_similarities(by_support),
        "earlier": lambda: _earlier(by_support, studies),
    }
    found = [Prediction(name, sources[name]()) for name in predictors]
    return [one for one in found if one.by_support]


def _size(experiment: Experiment) -> float:
    return size_rule(experiment.supports[0].count)


def _text_similarities(by_support: Mapping[str, Sequence[Experiment]]) -> Numbers:
    from tlbench.training.features import row_features  # torch

    (first, *_) = (of[0] for of in by_support.values())
    target = row_features(first.stage([first.target]), first.target).mean
    found = {}
    for name, (one, *_) in by_support.items():
        (support,) = one.supports
        found[name] = text_similarity(target, row_features(one.stage([support]), support).mean)
    return found


def _features_of_finished(
    by_support: Mapping[str, Sequence[Experiment]],
) -> dict[str, list["RowFeatures"]]:
    """Return by support what each of its finished stages makes of the target's rows."""
    from tlbench.training.features import row_features  # torch

    found: dict[str, list[RowFeatures]] = {}
    for name, experiments in by_support.items():
        for one in experiments:
            if weights := _weights(one.stage([one.supports[0]]), name):
                rows = row_features(one.stage([one.target]), one.target, weights)
                found.setdefault(name, []).append(rows)
    return found


def _judged(
    features: Mapping[str, Sequence["RowFeatures"]],
    judge: Callable[[Array, Array, bool], float],
) -> Numbers:
    """Return by support what is judged of the features of its stages, their mean."""
    return {
        name: float(np.mean([judge(one.first, one.labels, one.is_classes) for one in of_stages]))
        for name, of_stages in features.items()
    }


def _task_similarities(by_support: Mapping[str, Sequence[Experiment]]) -> Numbers:
    from tlbench.training.fisher import task_embedding  # torch

    (first, *_) = (of[0] for of in by_support.values())
    target = first.stage([first.target])
    weights = _weights(target, first.target.name)
    if weights is None:
        return {}
    of_target, found = task_embedding(target, first.target, weights), {}
    for name, (one, *_) in by_support.items():
        stage = one.stage([one.supports[0]])
        if at := _weights(stage, name):
            embedding = task_embedding(stage, one.supports[0], at)
            found[name] = task_similarity(of_target, embedding)
    return found


def _weights(stage: TrainStage, task: str) -> Path | None:
    """Return the folder of a task's best weights in a finished stage; None if it is not there."""
    manifest = find(stage, {task})
    if manifest is None or manifest.get("diverged"):
        return None
    return store_of(stage.config).weights(stage.key, task)


def _earlier(
    by_support: Mapping[str, Sequence[Experiment]], studies: pd.DataFrame | None
) -> Numbers:
    if studies is None:
        return {}
    (first, *_) = (of[0] for of in by_support.values())
    known = earlier(studies, first.target.name)
    return {name: known[name] for name in by_support if name in known}
