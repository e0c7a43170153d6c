"""What is logged of finished stages on request: artifacts, predictions, a confusion matrix."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlbench.config.schema import Task
from tlbench.jobs.private import without_places
from tlbench.plan.stage import Stage
from tlbench.records.predictions import LOGIT, LOGIT_CROSSED, Array, Saved, read_split
from tlbench.store.manifest import Manifest
from tlbench.tasks.tag_metrics import COUNTS

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

_MOST_CLASSES = 100  # a confusion matrix of more has more cells than W&B draws
_IN_METADATA = ("title", "seed", "encoder", "steps", "instances", "diverged", "git_revision")


def artifact(stage: Stage, folder: Path, manifest: Manifest, places: bool) -> "wandb.Artifact":
    """Return a finished stage as an artifact: its weights and predictions, and what made it.

    Args:
        folder: of the stage in the store.
        manifest: its ``stage.json``.
        places: whether paths of this machine may be in it.
    """
    import wandb

    said = manifest if places else without_places(manifest)
    made = wandb.Artifact(
        f"stage-{stage.key}",
        type="stage",
        description=f"{stage.title}, trained by tlbench",
        metadata={
            "stage_key": stage.key,
            "needs": [need.stage.key for need in stage.needs],
            "scores": {task: entry["score"] for task, entry in manifest["tasks"].items()},
            **{name: said.get(name) for name in _IN_METADATA},
            **{f"versions/{name}": version for name, version in said["versions"].items()},
        },
    )
    for name in manifest["files"]:
        # The store's files never change, so W&B need not copy them first.
        made.add_file(str((folder / name).absolute()), name=name, policy="immutable")
    return made


def predictions(stage: Stage, task: Task, folder: Path, with_texts: bool) -> "dict[str, Any]":
    """Return what W&B shows of the dev predictions of a task that a stage's score is of.

    Args:
        folder: of the stage in the store.
        with_texts: whether the rows' texts are in the table.
    """
    import wandb

    crossed = stage.wants_cross_fit
    said = ["prediction_cross_fit", "half"] if crossed else ["prediction"]
    file = folder / "predictions" / f"{task.name}.parquet"
    logits = LOGIT_CROSSED if crossed else LOGIT
    saved = read_split(file, "dev", "+".join(task.score), said, logits)
    if saved is None:
        log.warning("  %s has no predictions of dev to log: %s is gone.", stage.title, file)
        return {}
    columns = _columns(task, saved)
    if with_texts:
        columns |= _texts(stage, task, saved)
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    shown: dict[str, Any] = {"predictions": wandb.Table(columns=list(columns), data=rows)}
    labels = task.labels or []
    if saved.counts is None and saved.labels.ndim == 1 and 2 <= len(labels) <= _MOST_CLASSES:
        shown["confusion_matrix"] = wandb.plot.confusion_matrix(
            y_true=saved.labels.astype(int).tolist(),
            preds=saved.predictions.astype(int).tolist(),
            class_names=list(labels),
            title=f"{task.name}, dev",
        )
    return shown


def _columns(task: Task, saved: Saved) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"row": saved.rows.astype(int).tolist()}
    if saved.counts is not None:
        of_rows = zip(COUNTS, saved.counts.T.astype(int).tolist(), strict=True)
        return columns | dict(of_rows)
    if not task.labels:
        return columns | {"label": saved.labels.tolist(), "prediction": saved.predictions.tolist()}
    columns["label"] = _names(task.labels, saved.labels)
    columns["prediction"] = _names(task.labels, saved.predictions)
    columns["correct"] = (np.array(columns["label"]) == np.array(columns["prediction"])).tolist()
    if saved.probabilities is not None:
        by_class = zip(task.labels, saved.probabilities.T.tolist(), strict=True)
        columns |= {f"probability of {name}": values for name, values in by_class}
    return columns


def _names(names: Sequence[str], values: Array) -> list[str]:
    """Return the name of each row's class, or where it has several labels theirs in one text."""
    if values.ndim == 1:
        return [names[int(value)] for value in values]
    return [", ".join(name for name, has in zip(names, row, strict=True) if has) for row in values]


def _texts(stage: Stage, task: Task, saved: Saved) -> dict[str, list[str]]:
    (subset,) = (one for one in stage.subsets if one.name == task.name)
    rows = subset.splits()["dev"].load(stage.config.cache_dir)
    at = rows.select(saved.rows.astype(int).tolist())
    return {name: list(at[name]) for name in at.column_names if name != "label"}
