"""Trains with more weight on the errors of another stage: the second half of just train twice."""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from pytorch_lightning.loggers import Logger

from tlbench.data.groups import counts_of
from tlbench.plan.reweighted_stage import ReweightedStage
from tlbench.plan.stage import Stage
from tlbench.tasks.kinds import kind_of
from tlbench.tasks.scores import collapsed
from tlbench.training.context import StageContext
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.evaluate import evaluate_weights
from tlbench.training.row_weights import ERRORS_FILE, ErrorWeights, error_weights, write_errors
from tlbench.training.train import train_stage

log = logging.getLogger(__name__)


class TrainRows(MultiTaskDataModule):
    """The rows that a stage of one task trains on, to be evaluated."""

    def setup(self, stage: str | None = None) -> None:
        if not self.train:
            train, *_ = self.splits_of(self.stage.subsets[0])
            self.train = self.evaluated = [train]


def train_reweighted(run: StageContext, loggers: Sequence[Logger] | None) -> dict[str, Any]:
    """Find the errors of the other stage on the train rows, and train as ``train_stage`` does.

    The errors are written into the stage's folder before the training begins: a training that is
    interrupted goes on with the same, on whatever device.

    Returns:
        What ``train_stage`` does, and ``errors``: how many rows are, ``of`` how many, and the same
        of every group of the task, if it has any.

    Raises:
        UserError: as ``train_stage`` does.
    """
    if not (run.folder / ERRORS_FILE).exists():
        _find_errors(run)
    weights = error_weights(run)
    counts = _counts(run.stage, weights)
    _say(run, weights, counts)
    return {**train_stage(run, loggers), "errors": counts}


def _find_errors(run: StageContext) -> None:
    """Predict the train rows with the other stage's weights, and write which are wrong."""
    assert isinstance(run.stage, ReweightedStage)
    (weights,) = (one.weights for one in run.needed if one.need == run.stage.errors_of)
    assert weights is not None
    data, found = evaluate_weights(run, weights, partial(TrainRows, run.stage))
    task = data.train[0].task
    if collapsed(task, found.logits):
        log.warning(
            "  %s: the first model predicts the same for every train row, so that its errors are "
            "all rows of the other labels, and these are what is weighed: change jtt.epochs",
            run.title,
        )
    predictions = kind_of(task).predict(found.logits)
    write_errors(run.folder, found.ids[predictions != found.labels].numpy())


def _counts(stage: Stage, weights: ErrorWeights) -> dict[str, Any]:
    """Return how many of the train rows are errors, of all and of each group."""
    data = TrainRows(stage)
    data.setup()
    (rows,) = data.train
    wrong = np.isin(rows.used, weights.errors)
    counts: dict[str, Any] = {"rows": int(wrong.sum()), "of": len(wrong)}
    groups, of = rows.groups, counts_of(rows.groups)
    of_groups = {n: {"rows": int(wrong[groups[n]].sum()), "of": of[n]} for n in groups}
    return counts | ({"groups": of_groups} if groups else {})


def _say(run: StageContext, weights: ErrorWeights, counts: dict[str, Any]) -> None:
    log.info(
        "  %s: %s of %s train rows are errors, each of which counts %g times",
        run.title,
        f"{counts['rows']:,}",
        f"{counts['of']:,}",
        weights.weight,
    )
    of_groups = counts.get("groups", {}).items()
    if of_groups:
        said = (f"{name} {group['rows']:,} of {group['of']:,}" for name, group in of_groups)
        log.info("  %s: errors of groups: %s", run.title, "; ".join(said))
