"""Trains on rows that another stage has labelled: the student of self-training."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger

from tlbench.plan.self_trained_stage import SelfTrainedStage
from tlbench.tasks.kinds import kind_of
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.evaluate import evaluate_weights
from tlbench.training.pseudo_labels import (
    PSEUDO_LABELS_FILE,
    PseudoLabels,
    taken,
    unlabelled_rows,
    with_labels,
)
from tlbench.training.train import train_stage

log = logging.getLogger(__name__)


class UnlabelledRows(MultiTaskDataModule):
    """The rows that a teacher labels, to be evaluated."""

    def setup(self, stage: str | None = None) -> None:
        if not self.train:
            rows = unlabelled_rows(self)
            # Nobody reads how well they are predicted; what labels there are need not be known.
            rows = with_labels(rows, np.zeros(len(rows.tokens)))
            task = replace(rows.task, score=["accuracy"], metrics=["accuracy"], groups=None)
            self.train = self.evaluated = [replace(rows, task=task)]


def train_student(run: StageContext, loggers: Sequence[Logger] | None) -> dict[str, Any]:
    """Have the teacher label the rows without labels, and train as ``train_stage`` does.

    The labels that are taken are written into the stage's folder before the training begins: one
    that is interrupted goes on with the same, on whatever device.

    Returns:
        What ``train_stage`` does, and ``pseudo_labels``: the name of the ``task`` without labels,
        how many rows are taken, ``of`` how many, by class how many, and how many of them are
        ``right``, where the rows do have labels, else None.

    Raises:
        UserError: as ``train_stage`` does.
    """
    if not (run.folder / PSEUDO_LABELS_FILE).exists():
        _label(run).write(run.folder)
    counts = _counts(run)
    _say(run, counts)
    return {**train_stage(run, loggers), "pseudo_labels": counts}


def _label(run: StageContext) -> PseudoLabels:
    """Return the rows that are taken, with the classes that the teacher's weights predict."""
    stage = run.stage
    assert isinstance(stage, SelfTrainedStage)
    (weights,) = (one.weights for one in run.needed if one.need == stage.teacher)
    assert weights is not None
    _, found = evaluate_weights(run, weights, partial(UnlabelledRows, stage))
    kind = kind_of(stage.subsets[0].task)
    probabilities = kind.probabilities(found.logits)
    assert probabilities is not None  # a classification has some
    rows = taken(probabilities.numpy(), stage.threshold, stage.balance)
    return PseudoLabels(found.ids.numpy()[rows], kind.predict(found.logits).numpy()[rows])


def _counts(run: StageContext) -> dict[str, Any]:
    stage = run.stage
    assert isinstance(stage, SelfTrainedStage)
    rows, subset = unlabelled_rows(MultiTaskDataModule(stage)), stage.more_rows
    counts = PseudoLabels.read(run.folder).counts(rows.task.labels or [], rows.labels)
    return {"task": subset.name, **counts, "of": subset.count}


def _say(run: StageContext, counts: dict[str, Any]) -> None:
    if not counts["rows"]:
        log.warning(
            "  %s: no row of %s is taken: the target is trained alone; a lower "
            "self_training.threshold, or balance=false, takes some",
            run.title,
            counts["task"],
        )
        return
    if sum(map(bool, counts["labels"].values())) == 1:
        log.warning(
            "  %s: the teacher has labelled all rows of %s that are taken the same, which teaches "
            "that label alone: train it longer (trainer.max_epochs), or self_training.balance=true",
            run.title,
            counts["task"],
        )
    right = "" if counts["right"] is None else f", {counts['right'] / counts['rows']:.1%} right"
    log.info(
        "  %s: %s of %s rows of %s are taken (%s)%s",
        run.title,
        f"{counts['rows']:,}",
        f"{counts['of']:,}",
        counts["task"],
        ", ".join(f"{name} {count:,}" for name, count in counts["labels"].items()),
        right,
    )
