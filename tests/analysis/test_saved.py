from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.predicted import study_with_predictions
from tlbench.analysis import analyse_study, collect, verdict
from tlbench.analysis.saved import StoredPredictions, usable
from tlbench.records.packing import pack
from tlbench.records.predictions import find_predictions

RATES = {"single": 0.7, "stilts": 0.75, "mtl": 0.9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return study_with_predictions(tmp_path, RATES, rows=400)


def test_every_run_has_those_of_its_last_stage(folder: Path) -> None:
    records = collect([folder])
    predictions = StoredPredictions(records.table)
    for run in records.table.index:
        assert (predictions[run].predictions == predictions[run].labels).mean() == pytest.approx(
            records.table.score[run]
        )
    assert len(usable(records.table, predictions)) == len(records.table) == 9


def test_what_is_not_there_is_no_key(folder: Path) -> None:
    table = collect([folder]).table
    for file in (folder / "store").rglob("*.parquet"):
        file.unlink()
    predictions = StoredPredictions(table)
    assert table.index[0] not in predictions
    assert usable(table, predictions) == {}
    assert find_predictions("rte", "", "store", str(folder / "study/a/result.json")) is None


def test_packed_records_keep_their_predictions_and_their_verdict(folder: Path) -> None:
    packed = folder / "packed.parquet"
    assert pack([folder / "study"], packed) == (9, 9)
    before = verdict(collect([folder]))
    for file in (folder / "store").rglob("*.parquet"):
        file.unlink()
    assert said(verdict(collect([packed]))) == said(before)
    again = folder / "again.parquet"
    pack([packed], again)
    assert said(verdict(collect([again]))) == said(before)
    (analysis,) = analyse_study(collect([packed]))
    assert analysis.advice[0].verdict.proved == before[0].proved == "better"
    assert not {"text", "sentence"} & {*pq.read_schema(packed).names}


def said(verdicts: list) -> list:  # type: ignore[type-arg]
    return [(c.key, str(c.low), c.proved, c.probability) for v in verdicts for c in v.candidates]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_numbers_are_packed_with_the_digits_that_scores_need(folder: Path, scale: float) -> None:
    said, labels = scale * np.linspace(0, 5, 400), scale * np.linspace(3, 3.1, 400)
    for file in (folder / "store").rglob("*.parquet"):
        frame = pq.read_table(file).to_pandas().assign(prediction=said, label=labels)
        pq.write_table(pa.Table.from_pandas(frame), file)
    pack([folder / "study"], folder / "packed.parquet")
    (saved, *_) = collect([folder / "packed.parquet"]).packed.values()
    assert (saved.labels == labels).all()
    assert 0 < np.abs(saved.predictions - said).max() <= 0.0005 * np.ptp(said)
