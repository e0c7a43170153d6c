import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import matthews_corrcoef

from tests.support.planted import write
from tests.support.predicted import predicted_study
from tlbench.analysis import analyse_study, collect, verdict
from tlbench.analysis.saved import StoredPredictions, usable
from tlbench.data.halves import in_second_half
from tlbench.records.packing import pack
from tlbench.records.predictions import find_predictions
from tlbench.records.record import read_record

RATES = {"single": 0.7, "stilts": 0.75, "mtl": 0.9}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return predicted_study(tmp_path, RATES, seeds=3).parent


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
    assert (
        find_predictions("rte", "", "store", str(folder / "study/a/result.json"), "dev", "accuracy")
        is None
    )


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


def crossed(folder: Path, name: str = "matthews") -> Path:
    """The same study under cross-fitted selection; what dev itself has chosen is all wrong."""
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
            len(rows) * matthews_corrcoef(rows.label, rows.prediction_cross_fit)
            for _, rows in frame.groupby("half")
        ]
        one.config |= {"selection": "cross_fit"}
        one.config["target_task"]["score"], one.majority_score = [name], 0.0
        one.score = sum(by_half) / len(frame)
    write(records, folder / "study")
    return folder


def test_cross_fitted_runs_are_judged_as_they_are_scored(folder: Path) -> None:
    records = collect([crossed(folder)])
    (one,) = verdict(records)
    assert one.proved == "better"
    # Of predictions that are not those of the score there is no interval that holds for rows.
    (as_dev,) = verdict(records.table.assign(selection="dev"))
    assert as_dev.proved == "untested"
    pack([folder / "study"], folder / "packed.parquet")
    assert said(verdict(collect([folder / "packed.parquet"]))) == said([one])
