import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from sklearn import metrics

from tests.support.planted import config, record, write
from tlbench.analysis import bootstrap_metrics
from tlbench.analysis.collect import collect
from tlbench.analysis.comparisons import ALPHA, compare
from tlbench.analysis.row_bootstrap import row_intervals
from tlbench.data.halves import in_second_half
from tlbench.records.record import ResultRecord, read_record

ROWS = {"rte": 100, "mnli": 400}
DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(3, size=60).astype(float)
PREDICTIONS = np.where(DRAW.uniform(size=(2, 60)) < 0.6, LABELS, DRAW.integers(3, size=(2, 60)))
DRAWN = DRAW.integers(60, size=(4, 60))
WEIGHTS = np.array([np.bincount(rows, minlength=60) for rows in DRAWN], float)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", metrics.accuracy_score),
        ("f1", lambda y, p: metrics.f1_score(y > 0.5, p > 0.5)),
        ("macro_f1", lambda y, p: metrics.f1_score(y, p, average="macro")),
        ("matthews", metrics.matthews_corrcoef),
        ("pearson", lambda y, p: stats.pearsonr(y, p).statistic),
        ("spearman", lambda y, p: stats.spearmanr(y, p).statistic),
        ("mse", metrics.mean_squared_error),
    ],
)
def test_weighted_metrics_are_those_of_the_drawn_rows(name: str, expected) -> None:  # type: ignore[no-untyped-def]
    labels, predictions = (LABELS > 0, PREDICTIONS > 0) if name == "f1" else (LABELS, PREDICTIONS)
    scores = bootstrap_metrics.score(name, labels.astype(float), predictions.astype(float), WEIGHTS)
    direct = [[expected(labels[rows] * 1.0, p[rows] * 1.0) for rows in DRAWN] for p in predictions]
    assert scores == pytest.approx(np.array(direct))


@pytest.mark.parametrize("name", ["matthews", "f1", "pearson", "spearman"])
def test_what_is_not_defined_on_the_drawn_rows_is_not_a_number(name: str) -> None:
    labels, predictions = np.array([0.0, 0, 0, 1]), np.array([[0.0, 0, 0, 1]])
    scores = bootstrap_metrics.score(
        name, labels, predictions, np.array([[1.0, 2, 1, 0], [1, 1, 1, 1]])
    )
    assert scores == pytest.approx(np.array([[np.nan, 1.0]]), nan_ok=True)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_a_correlation_is_0_where_the_drawn_predictions_are_all_the_same(name: str) -> None:
    labels, predictions = np.array([0.0, 1, 0, 1]), np.array([[1.1, 1.1, 1.1, 0.3], [1.1] * 4])
    weights = np.array([[1.0, 2, 1, 0], [1, 1, 1, 1], [1, 0, 3, 0]])
    if name == "matthews":
        predictions = np.round(predictions)
    scores = bootstrap_metrics.score(name, labels, predictions, weights)
    assert scores[:, 2] == pytest.approx([np.nan] * 2, nan_ok=True)
    assert list(scores[1, :2]) == [0, 0]
    assert (scores[0, 0], scores[0, 1] < -0.5) == (0, True)


@pytest.mark.parametrize(("start", "scale"), [(1.7e9, 1.0), (0.0, 1e-200), (0.0, 1e200)])
def test_weighted_correlations_of_any_numbers(start: float, scale: float) -> None:
    expected = bootstrap_metrics.score("pearson", LABELS, PREDICTIONS, WEIGHTS)
    scores = bootstrap_metrics.score(
        "pearson", start + scale * LABELS, start + scale * PREDICTIONS, WEIGHTS
    )
    assert scores == pytest.approx(expected)


def test_a_score_of_two_metrics_is_their_mean() -> None:
    both = bootstrap_metrics.score("accuracy+matthews", LABELS, PREDICTIONS, WEIGHTS)
    each = [
        bootstrap_metrics.score(name, LABELS, PREDICTIONS, WEIGHTS)
        for name in ("accuracy", "matthews")
    ]
    assert both == pytest.approx(np.mean(each, axis=0))


def test_a_run_that_has_collapsed_has_an_interval(tmp_path: Path) -> None:
    study(tmp_path, {"mtl": 0.8, "stilts": 0.7})
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
    bounds = row_intervals(table, comparisons).iloc[0]
    assert 0.4 < bounds.low_rows < comparisons.difference[0] < bounds.high_rows < 0.8


def study(folder: Path, right: dict[str, float], rows: int = 277, seeds: int = 3) -> Path:
    """MTL and STILTs on rte with predictions, right at planted rates."""
    draw = np.random.default_rng(1)
    labels = draw.integers(2, size=rows).astype(float)
    records: list[ResultRecord] = []
    for strategy, rate in right.items():
        for seed in range(seeds):
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


def test_the_interval_over_dev_rows_is_the_binomials(tmp_path: Path) -> None:
    table = collect([study(tmp_path, {"mtl": 0.8, "stilts": 0.7})]).table
    comparisons = compare(table)
    bounds = row_intervals(table, comparisons).iloc[0]
    assert bounds.low_rows < comparisons.difference[0] < bounds.high_rows
    error = np.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 277 / 3)
    width = 2 * stats.norm.ppf(1 - ALPHA / 2) * error
    assert bounds.high_rows - bounds.low_rows == pytest.approx(width, rel=0.15)


def crossed(folder: Path, name: str = "matthews") -> Path:
    """The same study under cross-fitted selection; what dev itself has chosen is all wrong."""
    study(folder, {"mtl": 0.8, "stilts": 0.7})
    records = [read_record(file) for file in (folder / "study").rglob("result.json")]
    shutil.rmtree(folder / "study")
    for one in records:
        kept = folder / "store" / one.stage_keys[-1] / "predictions" / "rte.parquet"
        frame = pq.read_table(kept).to_pandas()
        second = in_second_half(frame.row.to_numpy(), "rte", one.seed)
        frame["half"], frame["prediction_cross_fit"] = second.astype("int8"), frame.prediction
        frame.prediction = 1 - frame.label
        pq.write_table(pa.Table.from_pandas(frame), kept, write_page_checksum=True)
        by_half = [
            len(rows) * metrics.matthews_corrcoef(rows.label, rows.prediction_cross_fit)
            for _, rows in frame.groupby("half")
        ]
        one.config |= {"selection": "cross_fit"}
        one.config["target_task"]["score"] = [name]
        one.score = sum(by_half) / len(frame)
    write(records, folder / "study")
    return folder


def test_cross_fitted_runs_are_bootstrapped_as_they_are_scored(tmp_path: Path) -> None:
    table = collect([crossed(tmp_path)]).table
    comparisons = compare(table)
    bounds = row_intervals(table, comparisons).iloc[0]
    assert bounds.low_rows < comparisons.difference[0] < bounds.high_rows
    # Of predictions that are not those of the score there is no interval.
    as_dev = table.assign(selection="dev")
    assert row_intervals(as_dev, comparisons).isna().all().all()


def test_of_a_mean_over_rows_halves_change_nothing(tmp_path: Path) -> None:
    plain = collect([study(tmp_path / "plain", {"mtl": 0.8, "stilts": 0.7})]).table
    expected = row_intervals(plain, compare(plain))
    table = collect([crossed(tmp_path / "crossed", "accuracy")]).table
    table.score = (
        plain.set_index(["strategy", "seed"])
        .score[pd.MultiIndex.from_frame(table[["strategy", "seed"]])]
        .to_numpy()
    )
    intervals = row_intervals(table, compare(table))
    assert intervals.to_numpy() == pytest.approx(expected.to_numpy())


def test_damaged_predictions_are_no_predictions(tmp_path: Path) -> None:
    table = collect([study(tmp_path, {"mtl": 0.8, "stilts": 0.7}, seeds=1)]).table
    comparisons = compare(table)
    file = next((tmp_path / "store").rglob("*.parquet"))
    content = file.read_bytes()
    for place in range(100, len(content) - 2000, 97):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert row_intervals(table, comparisons).isna().all().all(), place


def test_without_predictions_or_with_others_there_is_no_interval(tmp_path: Path) -> None:
    table = collect([study(tmp_path, {"mtl": 0.8, "stilts": 0.7})]).table
    comparisons = compare(table)
    other = table.assign(score=table.score + 0.1)
    assert row_intervals(other, comparisons).isna().all().all()
    for file in (tmp_path / "store").rglob("*.parquet"):
        file.unlink()
    assert row_intervals(table, comparisons).isna().all().all()
