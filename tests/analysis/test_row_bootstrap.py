import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import metrics

from tests.support.planted import write
from tests.support.predicted import study_with_predictions
from tlbench.analysis.collect import collect
from tlbench.analysis.comparisons import ALPHA, compare
from tlbench.analysis.row_bootstrap import row_intervals
from tlbench.analysis.saved import StoredPredictions
from tlbench.records.record import read_record


def test_a_run_that_has_collapsed_has_an_interval(tmp_path: Path) -> None:
    study_with_predictions(tmp_path, {"mtl": 0.8, "stilts": 0.7})
    records = [read_record(file) for file in (tmp_path / "study").rglob("result.json")]
    for one in records:
        kept = tmp_path / "store" / one.stage_keys[-1] / "predictions" / "rte.parquet"
        frame = pq.read_table(kept).to_pandas()
        if one.strategy == "stilts":
            frame.prediction = 1.0
            pq.write_table(pa.Table.from_pandas(frame), kept, write_page_checksum=True)
        one.config["target_task"]["score"] = ["matthews"]
        one.score = metrics.matthews_corrcoef(frame.label, frame.prediction)
    shutil.rmtree(tmp_path / "study")
    table = collect([write(records, tmp_path / "study")]).table
    comparisons = compare(table)
    bounds = row_intervals(table, StoredPredictions(table), comparisons).iloc[0]
    assert 0.4 < bounds.low_rows < comparisons.difference[0] < bounds.high_rows < 0.8


def test_the_interval_over_dev_rows_is_the_binomials(tmp_path: Path) -> None:
    table = collect([study_with_predictions(tmp_path, {"mtl": 0.8, "stilts": 0.7})]).table
    comparisons = compare(table)
    bounds = row_intervals(table, StoredPredictions(table), comparisons).iloc[0]
    assert bounds.low_rows < comparisons.difference[0] < bounds.high_rows
    error = np.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 277 / 3)
    width = 2 * stats.norm.ppf(1 - ALPHA / 2) * error
    assert bounds.high_rows - bounds.low_rows == pytest.approx(width, rel=0.15)


def test_damaged_predictions_are_no_predictions(tmp_path: Path) -> None:
    table = collect([study_with_predictions(tmp_path, {"mtl": 0.8, "stilts": 0.7}, seeds=1)]).table
    comparisons = compare(table)
    file = next((tmp_path / "store").rglob("*.parquet"))
    content = file.read_bytes()
    for place in range(100, len(content) - 2000, 97):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert row_intervals(table, StoredPredictions(table), comparisons).isna().all().all(), place


def test_without_predictions_or_with_others_there_is_no_interval(tmp_path: Path) -> None:
    table = collect([study_with_predictions(tmp_path, {"mtl": 0.8, "stilts": 0.7})]).table
    comparisons = compare(table)
    other = table.assign(score=table.score + 0.1)
    assert row_intervals(other, StoredPredictions(other), comparisons).isna().all().all()
    for file in (tmp_path / "store").rglob("*.parquet"):
        file.unlink()
    assert row_intervals(table, StoredPredictions(table), comparisons).isna().all().all()
