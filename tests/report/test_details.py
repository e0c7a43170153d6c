from pathlib import Path

import pandas as pd
import pytest

from tests.support.predicted import predicted_study
from tlbench.cli.report import main

RIGHT = {"single": 0.7, "mtl": 0.8, "stilts": 0.6}


def page_of(study: Path, out: Path) -> str:
    assert main([str(study), "--out", str(out)]) == 0
    return (out / "index.html").read_text()


@pytest.mark.slow
def test_the_best_guess_and_single_have_curves_and_errors_by_class(tmp_path: Path) -> None:
    page = page_of(predicted_study(tmp_path, RIGHT), tmp_path / "out")
    for name in ("strip_rte", "curves_rte", "confusion_rte"):
        assert (tmp_path / "out" / "figures" / f"{name}.svg").is_file()
        assert f"figures/{name}.png" in page
    frame = pd.read_csv(tmp_path / "out" / "tables" / "classes.csv")
    assert frame[["candidate", "class"]].to_numpy().tolist() == [
        [name, of_class] for name in ("MTL with mnli", "single") for of_class in ("no", "yes")
    ]
    recall = frame.groupby("candidate").recall.mean()
    assert recall["MTL with mnli"] == pytest.approx(80, abs=3)
    assert recall["single"] == pytest.approx(70, abs=3)


@pytest.mark.slow
def test_beside_single_as_the_best_guess_stands_the_next(tmp_path: Path) -> None:
    right = {"single": 0.9, "mtl": 0.8, "stilts": 0.6}
    page_of(predicted_study(tmp_path, right), tmp_path / "out")
    frame = pd.read_csv(tmp_path / "out" / "tables" / "classes.csv")
    assert set(frame.candidate) == {"single", "MTL with mnli"}


@pytest.mark.slow
def test_numbers_have_a_calibration_and_no_classes(tmp_path: Path) -> None:
    page = page_of(predicted_study(tmp_path, RIGHT, labels=None), tmp_path / "out")
    assert (tmp_path / "out" / "figures" / "calibration_rte.svg").is_file()
    assert not (tmp_path / "out" / "tables" / "classes.csv").exists()
    assert "true against predicted numbers" in page


@pytest.mark.slow
def test_what_is_not_in_the_store_is_said(tmp_path: Path) -> None:
    page = page_of(predicted_study(tmp_path, RIGHT, curves=False), tmp_path / "out")
    assert "No learning curves: neither the records nor the store have them." in page
    assert "confusion_rte" in page
    for file in (tmp_path / "store").rglob("*.parquet"):
        file.unlink()
    page = page_of(tmp_path / "study", tmp_path / "again")
    assert "No errors by class: no predictions are saved" in page
    assert "<summary>How" not in page


def test_predictions_that_are_no_places_in_the_classes_are_not_shown(tmp_path: Path) -> None:
    page = page_of(predicted_study(tmp_path, RIGHT, labels=["only"]), tmp_path / "out")
    assert "the records do not say which class a prediction is" in page
