"""What a trained stage leaves of each task: its entry in ``stage.json``, and its predictions."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tlbench.config.schema import Task
from tlbench.records.predictions import COUNTS, COUNTS_CROSSED, GROUP, LOGIT, LOGIT_CROSSED
from tlbench.tasks import ragged, scores
from tlbench.tasks.base import TaskKind, with_threshold
from tlbench.tasks.kinds import kind_of, needs_probabilities
from tlbench.tasks.splits import as_read
from tlbench.training.best import BestPerTask
from tlbench.training.datamodule import MultiTaskDataModule
from tlbench.training.module import Evaluation
from tlbench.training.selection import CrossFit


def task_entry(data: MultiTaskDataModule, task: Task, best: BestPerTask) -> dict[str, Any]:
    """The task's score, metrics and rows; no score if the training has diverged."""
    mine = best.best[task.name]
    (train,) = (rows for rows in data.drawn if rows.task is task)
    dev = mine.splits["dev"]
    found = {k: v for k, v in dev.found.items() if k != "score"}
    extra = _of_extra_splits(mine.splits)
    found |= extra
    lost = best.diverged is not None
    fit = None if lost or best.cross_fits is None else best.cross_fits[task.name]
    as_scored = with_threshold(task, dev.threshold)
    return {
        "score": None if lost else dev.found["score"],
        "selected_by": None if lost else mine.splits[best.selecting].found["score"],
        "cross_fit": None if fit is None else _cross_fit_entry(task, fit, dev, extra),
        "metrics": dict.fromkeys(found) if lost else found,
        "majority_score": scores.majority_score(task, train.used_labels, dev.labels, dev.groups),
        "collapsed": None if lost else scores.collapsed(as_scored, dev.logits),
        **({} if dev.threshold is None else {"threshold": dev.threshold}),
        **({} if lost else groups_entry(as_scored, dev)),
        "step": mine.step,
        "train_rows": len(train.used),
        **({} if train.kind.sequences == 1 else {"sequences": train.kind.sequences}),
    }


def _of_extra_splits(splits: dict[str, Evaluation]) -> dict[str, float]:
    """Return the metrics of dev splits that choose nothing, as MNLI's mismatched one."""
    return {
        f"{metric}_{name.removeprefix('dev_')}": value
        for name, evaluation in splits.items()
        if name.startswith("dev_")
        for metric, value in evaluation.found.items()
        if metric != "score"
    }


def groups_entry(task: Task, of: Evaluation) -> dict[str, Any]:
    """Return what an entry holds of the groups of its rows, if the task has any.

    Args:
        task: with the threshold that ``of`` is scored with.
    """
    return _groups(scores.evaluate_groups(task, of.logits, of.labels, of.groups), of)


def _groups(by_group: Mapping[str, dict[str, float]], of: Evaluation) -> dict[str, Any]:
    if not by_group:
        return {}
    return {"groups": {n: {"rows": int(of.groups[n].sum()), **by_group[n]} for n in by_group}}


def _cross_fit_entry(
    task: Task, fit: CrossFit, dev: Evaluation, extra: dict[str, float]
) -> dict[str, Any]:
    """Return what is cross-fitted of the task's entry, and the steps that the halves have chosen.

    Each group's metrics are cross-fitted as those of all rows are, and then the worst is taken.

    Args:
        dev: an evaluation of it.
        extra: metrics of other dev splits; these are at the best of all of dev, which has not read
            them.
    """
    metrics = fit.metrics(dev.labels, partial(scores.evaluate, task))
    of_group = partial(scores.evaluate_rows, task)
    by_group = {name: fit.metrics(dev.labels, of_group, rows) for name, rows in dev.groups.items()}
    if by_group:
        metrics = scores.summed_up(task, metrics, by_group)
    return {
        "score": metrics.pop("score"),
        "metrics": metrics | extra,
        # The two evaluations may each predict the same of all rows, and not the same as the other.
        "collapsed": all(scores.collapsed(task, fit.logits[half]) for half in fit.halves),
        "steps": fit.steps,
        **_groups(by_group, dev),
    }


def write_predictions(
    folder: Path, task: Task, splits: Mapping[str, Evaluation], fit: CrossFit | None = None
) -> None:
    """Write one Parquet file for the task, each row of its splits at the best evaluation.

    Its columns are split, row, label, prediction (each a number, or of a multilabel task a list of
    0 and 1, of a tagging task one of a tag for each word, of a task with masked tokens one of the
    token's id for each) and the logits of the best evaluation;
    with a cross-fitted selection, for rows of dev, ``half`` (0 or 1) and ``prediction_cross_fit``,
    and where the score is of probabilities the logits of that, ``logit_cross_fit_0`` and so on. Of
    a tagging task ``counts`` too, and ``counts_cross_fit``: see ``tlbench.tasks.tag_metrics``. Of a
    task with groups ``group``, the name of each row's.
    """
    tables = []
    for name, e in splits.items():
        kind = kind_of(with_threshold(as_read(task, name), e.threshold))
        predictions = kind.predict(e.logits)
        columns = {
            "split": [name] * len(e.ids),
            "row": e.ids.numpy(),
            "label": _column(kind, e.labels, e.labels),
            "prediction": _column(kind, predictions, e.labels),
            **_counts(kind, COUNTS, predictions, e.labels),
            **_group_column(e),
        }
        outputs = {
            f"{LOGIT}{i}": _column(kind, e.logits[..., i].float(), e.labels, pa.float32())
            for i in range(e.logits.shape[-1])
        }
        if fit is not None:
            columns |= _cross_fit_columns(task, fit, name, splits["dev"].labels, len(e.ids))
            if needs_probabilities("+".join(task.score)):
                columns |= _cross_fit_logits(fit, name, len(e.ids))
        tables.append(pa.table({**columns, **outputs}))
    file = folder / "predictions" / f"{task.name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(tables), file, write_page_checksum=True)


def _group_column(of: Evaluation) -> dict[str, pa.Array]:
    """Return the column of the rows' groups, if there are any."""
    if not of.groups:
        return {}
    numbers = torch.stack([*of.groups.values()]).int().argmax(dim=0).int()
    return {GROUP: pa.DictionaryArray.from_arrays(numbers.numpy(), [*of.groups])}


def _cross_fit_columns(
    task: Task, fit: CrossFit, split: str, labels: torch.Tensor, rows: int
) -> dict[str, pa.Array]:
    """Return the columns of a split that are about the halves of dev; null for other splits.

    Args:
        labels: of the rows of dev.
        rows: how many the split has.
    """
    kind = kind_of(task)
    predictions = kind.predict(fit.logits).double()
    for half in fit.halves:
        # Each alone, as it is scored: ``predict`` may compare rows with each other.
        if half.any():
            predictions[half] = kind.predict(fit.logits[half]).double()
    columns = {
        "half": pa.array(fit.second.int().numpy(), pa.int8()),
        "prediction_cross_fit": _column(kind, predictions, labels),
        **_counts(kind, COUNTS_CROSSED, predictions, labels),
    }
    if split == "dev":
        return columns
    return {name: pa.nulls(rows, column.type) for name, column in columns.items()}


def _counts(
    kind: TaskKind, name: str, predictions: torch.Tensor, labels: torch.Tensor
) -> dict[str, pa.Array]:
    """Return the column of what is counted of every row, if the kind counts anything."""
    counts = kind.row_counts(predictions, labels)
    return {} if counts is None else {name: _fixed(counts.double().numpy())}


def _column(
    kind: TaskKind, values: torch.Tensor, labels: torch.Tensor, number: pa.DataType | None = None
) -> pa.Array:
    """Return labels, predictions or logits of rows, (rows, ...), as a column.

    Args:
        labels: of the rows; those of words say how many a row has.
        number: the type of a number; None for 64 bits.
    """
    numbers = values.numpy() if number is not None else values.double().numpy()
    if kind.reads_places:
        return ragged.column(numbers, labels.numpy() >= 0)
    return pa.array(numbers, number) if numbers.ndim == 1 else _fixed(numbers)


def _fixed(numbers: Any) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(numbers.ravel(), numbers.shape[1])


def _cross_fit_logits(fit: CrossFit, split: str, rows: int) -> dict[str, pa.Array]:
    """Return the columns of a split with the logits that halves of dev chose; null for others."""
    logits = fit.logits
    return {
        f"{LOGIT_CROSSED}{i}": pa.array(logits[:, i].numpy())
        if split == "dev"
        else pa.nulls(rows, pa.float32())
        for i in range(logits.shape[1])
    }
