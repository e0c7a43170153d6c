"""Metrics of probabilities and losses of a user's task, from its files to its record."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.special import softmax
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.support.experiments import Compose
from tlbench.analysis.collect import collect
from tlbench.analysis.row_vectors import row_vectors
from tlbench.analysis.saved import StoredPredictions
from tlbench.jobs.job import run_experiment
from tlbench.records.record import ResultRecord, read_record

METRICS = ["auroc", "average_precision", "balanced_accuracy", "weighted_f1", "log_loss"]
METRICS += ["calibration_error", "micro_f1", "accuracy", "kappa"]
MORE = {"kappa": {"_target_": "torchmetrics.CohenKappa", "task": "multiclass"}}


def write_files(folder: Path, labels: list[str], dev: list[str] | None = None) -> None:
    """Write 48 train rows whose text says their label more often than not, and rows of dev."""
    rng = np.random.default_rng(0)
    for split, of_rows in (("train", labels * 24), ("dev", dev or labels * 12)):
        rows = [
            {"text": f"{label} film" if rng.random() < 0.7 else f"film {at}", "verdict": label}
            for at, label in enumerate(of_rows)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.jsonl").write_text(lines)


def run_task(
    compose: Compose, folder: Path, labels: list[str], *overrides: str, **task: Any
) -> ResultRecord:
    cfg = compose(
        "subsample_size.target=null",
        "subsample_size.dev=null",
        "optim.lr=1e-3",
        "trainer.max_steps=12",
        "trainer.max_epochs=6",
        "eval_every=1",
        "allow_leakage=true",
        *overrides,
    )
    kappa = {**MORE["kappa"], "num_classes": len(labels)}
    cfg.target_task = {
        "name": "mine",
        "labels": labels,
        "score": ["auroc", "average_precision"],
        "metrics": METRICS,
        "more_metrics": {"kappa": kappa},
        "source": {"format": "jsonl", "path": str(folder), "text": ["text"], "label": "verdict"},
        **task,
    }
    run_experiment(cfg, folder / "study" / "job", in_sweep=False)
    return read_record(folder / "study" / "job" / "result.json")


def ranked(frame: Any, logits: str, classes: int) -> dict[str, float]:
    """Return what scikit-learn says of saved logits."""
    p = softmax(frame[[f"{logits}{at}" for at in range(classes)]].to_numpy(float), axis=1)
    labels = frame.label.to_numpy(int)
    each = [1] if classes == 2 else range(classes)
    return {
        "auroc": float(np.mean([roc_auc_score(labels == at, p[:, at]) for at in each])),
        "average_precision": float(
            np.mean([average_precision_score(labels == at, p[:, at]) for at in each])
        ),
    }


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("selection", ["dev", "cross_fit", "held_out"])
def test_rankings_are_those_of_the_saved_logits_whatever_selects(
    compose: Compose, tmp_path: Path, selection: str, classes: int
) -> None:
    labels = ["bad", "good", "fine"][:classes]
    write_files(tmp_path, labels)
    record = run_task(compose, tmp_path, labels, f"selection={selection}")
    assert record.undefined == []
    assert all(record.metrics[name] is not None for name in METRICS)
    kept = tmp_path / "store" / record.stage_keys[-1] / "predictions" / "mine.parquet"
    frame = pq.read_table(kept).to_pandas().query("split == 'dev'")
    if selection == "cross_fit":
        halves = [
            (len(half), ranked(half, "logit_cross_fit_", classes))
            for _, half in frame.groupby("half")
        ]
        expected = {
            name: sum(rows * found[name] for rows, found in halves) / len(frame)
            for name in ("auroc", "average_precision")
        }
    else:
        expected = ranked(frame, "logit_", classes)
    for name, value in expected.items():
        assert record.metrics[name] == pytest.approx(value, abs=1e-6), name
    assert record.score == pytest.approx(sum(expected.values()) / 2, abs=1e-6)
    # What the report makes of the same predictions is the record's score, so it has their rows.
    table = collect([tmp_path / "study"]).table
    (vectors,) = row_vectors(table, StoredPredictions(table)).values()
    assert len(vectors.by_run) == 1


@pytest.mark.parametrize(
    ("selection", "rows"), [("dev", "dev"), ("cross_fit", "a half of dev"), ("held_out", "dev")]
)
def test_of_one_class_alone_there_is_no_auroc_and_it_is_said(
    compose: Compose, tmp_path: Path, selection: str, rows: str
) -> None:
    write_files(tmp_path, ["bad", "good"], dev=["bad"] * 16)
    metrics = ["auroc", "accuracy", "log_loss"]
    record = run_task(
        compose,
        tmp_path,
        ["bad", "good"],
        f"selection={selection}",
        score=["auroc"],
        metrics=metrics,
        more_metrics={},
    )
    assert (record.outcome, record.undefined) == ("undefined", ["auroc"])
    assert record.score is record.metrics["auroc"] is None
    assert record.metrics["accuracy"] is not None
    assert record.majority_score is None or math.isnan(record.majority_score)
    assert record.reason == f"auroc is not defined where all labels of {rows} are the same"
