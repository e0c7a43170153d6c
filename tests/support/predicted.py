"""Studies with saved predictions of planted accuracy."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.planted import config, record, write
from tlbench.records.record import ResultRecord

ROWS = {"rte": 100, "mnli": 400}


def study_with_predictions(
    folder: Path, right: dict[str, float], rows: int = 277, seeds: int = 3, alike: bool = False
) -> Path:
    """Write a study of rte with predictions, each strategy right at a planted rate; its folder.

    Args:
        folder: in which study and store are made.
        right: by strategy, the rate at which it is right.
        rows: of dev.
        seeds: runs of each strategy.
        alike: whether all seeds of a strategy say the same.
    """
    draw = np.random.default_rng(1)
    labels = draw.integers(2, size=rows).astype(float)
    records: list[ResultRecord] = []
    for strategy, rate in right.items():
        for seed in range(seeds):
            if seed == 0 or not alike:
                predictions = np.where(draw.uniform(size=rows) < rate, labels, 1 - labels)
            one = record(strategy, "rte", "mnli", ROWS, seed, float((predictions == labels).mean()))
            one.config = config(strategy, "rte", store_dir="store")
            file = folder / "store" / one.stage_keys[-1] / "predictions" / "rte.parquet"
            file.parent.mkdir(parents=True)
            columns = {
                "split": ["dev"] * rows,
                "row": range(rows),
                "label": labels,
                "prediction": predictions,
            }
            pq.write_table(pa.table(columns), file, write_page_checksum=True)
            records.append(one)
    write(records, folder / "study")
    return folder
