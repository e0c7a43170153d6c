"""The best guess on test rows, which chose nothing."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.support.predicted import predicted_study
from tlbench.analysis import collect, verdict
from tlbench.analysis.advice import Advice
from tlbench.analysis.names import labels_of
from tlbench.analysis.on_test import OnTest, on_test

RATES = {"single": 0.7, "mtl": 0.8}


def with_test_rows(folder: Path, seeds: int = 4, alike: bool = False) -> pd.DataFrame:
    """A study of 400 dev rows whose runs are as right on as many test rows."""
    predicted_study(folder, RATES, rows=400, seeds=seeds, alike=alike)
    for stage in (folder / "store").iterdir():
        dev = pd.read_parquet(stage / "predictions" / "rte.parquet")
        kept = stage / "test" / "rte-1234" / "predictions" / "rte.parquet"
        kept.parent.mkdir(parents=True)
        dev.assign(split="test").to_parquet(kept)
    table = collect([folder / "study"]).table
    return table.assign(test_score=table.score, test_digest="1234", test_rows=400)


def of(table: pd.DataFrame) -> OnTest:
    (one,) = verdict(table)
    found = on_test(one, table)
    assert found is not None
    return found


def test_its_intervals_hold_for_seeds_and_rows(tmp_path: Path) -> None:
    table = with_test_rows(tmp_path, alike=True)
    found = of(table)
    single, mtl = (table.score[table.strategy == name].mean() for name in RATES)
    assert (found.seeds, found.rows, found.has_rows) == (4, 400, True)
    assert found.score == pytest.approx(mtl)
    assert found.gain == pytest.approx(mtl - single)
    # All seeds say the same, so that all the error is the rows'.
    error = np.sqrt(mtl * (1 - mtl) / 399)
    low, high = mtl + stats.t.ppf([0.05, 0.95], 399) * error
    assert found.score_bounds == pytest.approx((low, high))
    of_difference = np.sqrt(error**2 + single * (1 - single) / 399)
    width = found.gain_bounds[1] - found.gain_bounds[0]
    assert width == pytest.approx(2 * 1.65 * of_difference, rel=0.1)


def test_without_predictions_they_hold_for_seeds_alone(tmp_path: Path) -> None:
    table = with_test_rows(tmp_path)
    shutil.rmtree(tmp_path / "store")
    found = of(table)
    scores = table.score[table.strategy == "mtl"]
    assert not found.has_rows
    expected = stats.t.interval(0.9, 3, scores.mean(), scores.std() / 2)
    assert found.score_bounds == pytest.approx(expected)


def test_one_seed_has_a_score_and_no_interval(tmp_path: Path) -> None:
    found = of(with_test_rows(tmp_path, seeds=1))
    assert found.gain > 0
    assert np.isnan([*found.score_bounds, *found.gain_bounds]).all()


def test_runs_on_other_rows_are_left_out(tmp_path: Path) -> None:
    table = with_test_rows(tmp_path)
    exchanged = (table.strategy == "mtl") & (table.seed == 3)
    changed = table.assign(
        test_score=table.test_score.mask(exchanged, 0.0),
        test_digest=table.test_digest.mask(exchanged, "5678"),
    )
    found = of(changed)
    assert found.seeds == 3
    assert found.score > 0.7


def test_of_single_alone_there_is_no_gain(tmp_path: Path) -> None:
    table = with_test_rows(tmp_path)
    found = of(table[table.strategy == "single"])
    assert np.isnan(found.gain)
    assert found.score_bounds[0] < found.score < found.score_bounds[1]


def test_without_test_rows_there_is_nothing(tmp_path: Path) -> None:
    table = with_test_rows(tmp_path).assign(test_score=np.nan)
    (one,) = verdict(table)
    assert on_test(one, table) is None


def test_it_is_said_in_a_sentence(tmp_path: Path) -> None:
    table = with_test_rows(tmp_path)
    (one,) = verdict(table)
    advice = Advice(one, labels_of(table), on_test(one, table))
    said = advice.sentences[-1]
    assert said.startswith("On 400 test rows, which chose nothing: ")
    assert "90% interval over seeds and rows" in said
    assert " over single (+" in said
