"""Scores a stage's best weights on the target's test rows, as an evaluation of training would."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tlbench.data.sources import final_split
from tlbench.data.tokenized_split import TokenizedSplit
from tlbench.errors import UserError
from tlbench.plan.stage import Stage, TaskSubset
from tlbench.tasks import scores
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.evaluate import evaluate_weights
from tlbench.training.predictions import groups_entry, write_predictions


class TargetData(MultiTaskDataModule):
    """The target's train rows, which tell the majority, and its test rows, which are evaluated.

    Args:
        target: with a test split.
    """

    def __init__(self, stage: Stage, target: TaskSubset) -> None:
        super().__init__(stage)
        self.target = target

    def setup(self, stage: str | None = None) -> None:
        if self.train:
            return
        task = self.target.task
        split = final_split(task)
        if split is None or split.key != self.target.test_digest:
            raise UserError(
                f"Give the same command again: source.test of task '{task.name}' has changed since "
                "this one began."
            )
        train, *_ = self.splits_of(self.target)
        tokens = self.tokens(split)
        self.train = [train]
        rows = TokenizedSplit(split.task, split.name, tokens, np.arange(len(tokens)))
        self.evaluated = [rows.labelled()]


def score_test(run: StageContext, target: TaskSubset, weights: Path) -> dict[str, Any]:
    """Score weights on test rows; write the predictions into the context's folder.

    Args:
        run: of the finished stage.
        target: with a test split.
        weights: the folder of its best weights in the stage.

    Returns:
        What ``scores.json`` holds beside checksums.

    Raises:
        UserError: if the devices that are asked for are not there, or the rows have changed.
    """
    data, evaluation = evaluate_weights(run, weights, partial(TargetData, run.stage, target))
    task = target.task
    write_predictions(run.folder, task, {"test": evaluation})
    (train,) = data.train
    return {
        "task": task.name,
        "digest": target.test_digest,
        "rows": len(evaluation.ids),
        "score": evaluation.found["score"],
        "metrics": {name: v for name, v in evaluation.found.items() if name != "score"},
        "majority_score": scores.majority_score(
            task, train.used_labels, evaluation.labels, evaluation.groups
        ),
        "collapsed": scores.collapsed(task, evaluation.logits),
        **groups_entry(task, evaluation),
    }
