from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.support.predicted import predicted_study
from tlbench.analysis.collect import collect
from tlbench.analysis.comparisons import ALPHA, compare, gains
from tlbench.analysis.names import THE_PAPERS
from tlbench.analysis.pair_intervals import of_comparisons, of_gains
from tlbench.analysis.row_vectors import RowVectors, row_vectors
from tlbench.analysis.saved import StoredPredictions

RATES = {"mtl": 0.8, "stilts": 0.7}


def known(table: pd.DataFrame) -> dict[tuple[str, int], RowVectors]:
    return row_vectors(table, StoredPredictions(table))


def test_it_holds_for_seeds_and_rows(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, RATES, rows=277, seeds=3)]).table
    comparisons = compare(table)
    bounds = of_comparisons(table, known(table), comparisons, THE_PAPERS).iloc[0]
    row = comparisons.iloc[0]
    assert bounds.low < row.difference < bounds.high
    # Here seeds err on every row independently, so that the spread of a run is the binomial's.
    error = np.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 277 / 3)
    half = stats.t.ppf(1 - ALPHA / 2, 4) * error
    assert (bounds.high - bounds.low) / 2 == pytest.approx(half, rel=0.3)


def test_what_all_seeds_share_is_in_it_however_alike_they_are(tmp_path: Path) -> None:
    """Of equal predictions at all seeds, seeds alone say nothing and rows say all."""
    predicted_study(tmp_path, {"single": 0.7, "mtl": 0.8}, rows=277, seeds=4, alike=True)
    table = collect([tmp_path]).table
    gained = gains(table)
    assert gained.low_seeds.isna().all()
    bounds = of_gains(table, known(table), gained).iloc[0]
    half = stats.norm.ppf(1 - ALPHA / 2) * np.sqrt((0.8 * 0.2 + 0.7 * 0.3) / 277)
    assert (bounds.high - bounds.low) / 2 == pytest.approx(half, rel=0.15)


def test_damaged_predictions_are_no_predictions(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, RATES, rows=277, seeds=2)]).table
    comparisons = compare(table)
    file = next((tmp_path / "store").rglob("*.parquet"))
    content = file.read_bytes()
    for place in range(100, len(content) - 2000, 97):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        bounds = of_comparisons(table, known(table), comparisons, THE_PAPERS)
        assert bounds.isna().all().all(), place


def test_without_predictions_or_with_others_there_is_none(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, RATES, rows=277, seeds=3)]).table
    comparisons = compare(table)
    other = table.assign(score=table.score + 0.1)
    bounds = of_comparisons(other, known(other), comparisons, THE_PAPERS)
    assert bounds.isna().all().all()
    for file in (tmp_path / "store").rglob("*.parquet"):
        file.unlink()
    bounds = of_comparisons(table, known(table), comparisons, THE_PAPERS)
    assert bounds.isna().all().all()


def test_one_seed_has_none(tmp_path: Path) -> None:
    table = collect([predicted_study(tmp_path, RATES, rows=277, seeds=1)]).table
    bounds = of_comparisons(table, known(table), compare(table), THE_PAPERS)
    assert bounds.isna().all().all()
