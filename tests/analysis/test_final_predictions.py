"""The saved predictions of test rows, as analyses read them."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.experiments import Run
from tlbench.analysis.collect import collect
from tlbench.analysis.final_predictions import final_predictions

TEST = "suite.sources.rte.test=40"


@pytest.mark.slow
def test_they_give_the_records_score(run: Run, tmp_path: Path) -> None:
    record = run(TEST)
    assert record.test is not None
    (predictions,) = final_predictions(collect([tmp_path / "job"]).table).values()
    assert predictions.rows.tolist() == list(range(40))
    right = np.mean(predictions.labels == predictions.predictions)
    assert right == pytest.approx(record.test["score"])


@pytest.mark.parametrize("damage", ["none", "removed", "changed"])
def test_without_them_there_is_none(run: Run, tmp_path: Path, damage: str) -> None:
    run(*([] if damage == "none" else [TEST]))
    for file in (tmp_path / "store").glob("*/test/*/predictions/rte.parquet"):
        if damage == "removed":
            file.unlink()
        content = file.read_bytes() if file.exists() else b""
        if damage == "changed":
            file.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    table = collect([tmp_path / "job"]).table
    assert final_predictions(table) == {}
