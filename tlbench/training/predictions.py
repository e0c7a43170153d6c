"""What a trained stage leaves of each task: its entry in ``stage.json``, and its predictions."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from tlbench.config.schema import Task
from tlbench.tasks import scores
from tlbench.tasks.kinds import kind_of
from tlbench.training.best import Best, BestPerTask
from tlbench.training.datamodule import MultiTaskDataModule


def task_entry(data: MultiTaskDataModule, task: Task, best: BestPerTask) -> dict[str, Any]:
    """The task's score, metrics and rows; no score if the training has diverged."""
    mine = best.best[task.name]
    (train,) = (rows for rows in data.train if rows.task is task)
    labels = torch.from_numpy(train.labels[train.used])
    dev = mine.splits["dev"]
    found = {k: v for k, v in dev.found.items() if k != "score"}
    for name, evaluation in mine.splits.items():
        if name.startswith("dev_"):
            extra = name.removeprefix("dev_")
            found |= {f"{k}_{extra}": v for k, v in evaluation.found.items() if k != "score"}
    lost = best.diverged is not None
    return {
        "score": None if lost else dev.found["score"],
        "selected_by": None if lost else mine.splits[best.selecting].found["score"],
        "metrics": dict.fromkeys(found) if lost else found,
        "majority_score": scores.majority_score(task, labels, dev.labels),
        "collapsed": None if lost else scores.collapsed(task, dev.logits),
        "step": mine.step,
        "train_rows": len(train.used),
    }


def write_predictions(folder: Path, task: Task, best: Best) -> None:
    """One Parquet file for the task: split, row, label, prediction and logits at its best."""
    tables = []
    for name, e in best.splits.items():
        outputs = {f"logit_{i}": e.logits[:, i].numpy() for i in range(e.logits.shape[1])}
        columns = {
            "split": [name] * len(e.ids),
            "row": e.ids.numpy(),
            "label": e.labels.double().numpy(),
            "prediction": kind_of(task).predict(e.logits).double().numpy(),
        }
        tables.append(pa.table({**columns, **outputs}))
    file = folder / "predictions" / f"{task.name}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(tables), file, write_page_checksum=True)
