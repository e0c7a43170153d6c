from pathlib import Path

import numpy as np
import pytest

from tests.support.predicted import predicted_study
from tlbench.analysis.collect import collect
from tlbench.analysis.curves import curves


def test_a_run_has_the_scores_of_all_evaluations_and_the_step_that_was_chosen(
    tmp_path: Path,
) -> None:
    table = collect([predicted_study(tmp_path, {"single": 0.8}, seeds=2)]).table
    found = curves(table)
    assert [curve.seed for curve in found] == [0, 1]
    for curve, score in zip(found, table.sort_values("seed").score, strict=True):
        assert curve.steps.tolist() == [10, 20, 30]
        assert curve.scores.tolist() == pytest.approx([0.5 * score, score, 0.9 * score])
        assert curve.chosen == 20


def test_a_curve_in_the_record_needs_no_store(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, {"single": 0.8}, seeds=1)]).table
    (curve,) = curves(table.assign(store="nowhere", curve="5:nan 15:0.7*"))
    assert curve.steps.tolist() == [5, 15]
    assert curve.scores.tolist() == pytest.approx([np.nan, 0.7], nan_ok=True)
    assert (curve.seed, curve.chosen) == (0, 15)


def test_a_run_whose_stage_is_not_in_the_store_has_none(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, {"single": 0.8}, seeds=2)]).table
    (tmp_path / "store" / f"{0:016x}" / "stage.json").unlink()
    assert [curve.seed for curve in curves(table)] == [1]
    assert curves(table.assign(store="nowhere")) == []


def test_a_damaged_stage_has_none(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, {"single": 0.8}, seeds=1)]).table
    file = tmp_path / "store" / f"{0:016x}" / "stage.json"
    file.write_text(file.read_text().replace('"step": 30', '"step": 31'))
    assert curves(table) == []
