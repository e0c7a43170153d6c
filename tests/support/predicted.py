"""A study whose stages are in a store, with predictions of planted rates and learning curves."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.planted import config, record, write
from tlbench.records.record import ResultRecord
from tlbench.store.integrity import write_sealed
from tlbench.store.manifest import with_checksums

ROWS = {"mnli": 1000, "rte": 100}
CLASSES = ["no", "yes"]


def predicted_study(
    folder: Path,
    right: dict[str, float],
    rows: int = 400,
    seeds: int = 5,
    labels: list[str] | None = CLASSES,
    curves: bool = True,
    alike: bool = False,
) -> Path:
    """Write a study of rte by strategy, each right at a rate; or off by 1 - rate, of numbers.

    Args:
        folder: gets ``study`` and ``store``.
        right: rates by strategy.
        rows: of dev.
        seeds: of each strategy.
        labels: the classes; None for numbers.
        curves: whether the stages say how they learned.
        alike: whether all seeds of a strategy say the same.
    """
    draw = np.random.default_rng(1)
    truth = draw.integers(2, size=rows) * 1.0 if labels else draw.uniform(0, 5, rows)
    records = []
    for strategy, rate in right.items():
        for seed in range(seeds):
            if seed == 0 or not alike:
                noise = draw.uniform(size=rows)
            said = (
                np.where(noise < rate, truth, 1 - truth) if labels else truth + noise * (1 - rate)
            )
            score = float((said == truth).mean() if labels else np.corrcoef(said, truth)[0, 1])
            one = record(strategy, "rte", "mnli", ROWS, seed, score)
            metric = "accuracy" if labels else "pearson"
            task = {"name": "rte", "score": [metric], "labels": labels}
            store = str(folder / "store")
            one.config = config(strategy, "rte", store_dir=store, target_task=task)
            one.stage_keys = [f"{len(records):016x}"]
            _stage(folder / "store", one, truth, said, curves)
            records.append(one)
    write(records, folder / "study")
    return folder / "study"


def _stage(store: Path, one: ResultRecord, truth: Any, said: Any, has_curve: bool) -> None:
    (key,) = one.stage_keys
    file = store / key / "predictions" / "rte.parquet"
    file.parent.mkdir(parents=True)
    split, row = ["dev"] * len(truth), range(len(truth))
    columns = {"split": split, "row": row, "label": truth, "prediction": said}
    pq.write_table(pa.table(columns), file, write_page_checksum=True)
    if not has_curve:
        return
    score = one.score or 0.0
    history = [
        {"step": step, "tasks": {"rte": {"dev": {"score": share * score}}}}
        for step, share in ((10, 0.5), (20, 1.0), (30, 0.9))
    ]
    found = {"weights": [], "history": history, "tasks": {"rte": {"step": 20}}}
    write_sealed(store / key / "stage.json", with_checksums(key, found, store / key))
