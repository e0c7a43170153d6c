from pathlib import Path

import pytest

from tests.support.planted import grid, none
from tests.support.predicted import predicted_study
from tests.support.verdicts import advice, candidate
from tlbench.analysis.collect import Records, collect
from tlbench.analysis.study import analyse_study
from tlbench.records.record import read_record
from tlbench.report.coverage import _widths, coverage


def said(records: Records) -> str:
    (analysis,) = analyse_study(records)
    return " ".join(coverage(analysis, records.protocols))


def test_it_says_by_how_much_rows_widen_an_interval(tmp_path: Path) -> None:
    records = collect([predicted_study(tmp_path, {"single": 0.7, "mtl": 0.8}, rows=100, seeds=8)])
    (analysis,) = analyse_study(records)
    (gain,) = [one for one in analysis.advice[0].verdict.candidates if one.strategy == "mtl"]
    alone, both = 100 * gain.seeds_half, 50 * (gain.high - gain.low)
    text = said(records)
    assert f"±{both:.1f} points in place of ±{alone:.1f} for other seeds alone" in text
    assert f"the median of 1 is {both / alone:.2f} times: MTL" in text
    assert "seeds alone, not for other dev rows" not in text


@pytest.mark.parametrize("seeds_half", [0.0, 13.6])
def test_intervals_that_the_range_of_scores_has_cut_say_nothing_of_rows(seeds_half: float) -> None:
    """They had been narrower for the rows: 0.07 times as wide, outside of their own range."""
    whole = candidate(gain=0.1, low=0.0, high=0.2, seeds_half=0.05, has_rows=True)
    cut = candidate("mtl", gain=0.1, low=-1.0, high=1.0, seeds_half=seeds_half, has_rows=True)
    (_, sentence) = _widths([(advice(one), one) for one in (whole, cut)])
    assert sentence.startswith("The rows make them 2.00 to 2.00 times as wide, most for rte; the")
    assert "the median of 1 is 2.00 times: STILTs" in sentence
    assert _widths([(advice(cut), cut)]) == [
        "Intervals hold for other seeds and for other dev rows."
    ]


def test_without_predictions_it_says_what_intervals_do_not_hold_for(tmp_path: Path) -> None:
    records = grid({"mnli": 1000, "rte": 10}, none)
    for number, one in enumerate(records):
        one.write(tmp_path / str(number))
    text = said(collect([tmp_path]))
    assert "6 of 6 intervals hold for other seeds alone, not for other dev rows" in text
    assert "no interval covers another draw of them" in text


def test_of_a_metric_that_a_user_brings_it_says_that_there_is_no_variance_over_rows(
    tmp_path: Path,
) -> None:
    study = predicted_study(tmp_path, {"single": 0.7, "mtl": 0.8}, rows=100, seeds=4)
    for file in study.rglob("result.json"):
        one = read_record(file)
        one.config["target_task"]["score"] = ["kappa"]
        one.write(file.parent)
    records = collect([study])
    (analysis,) = analyse_study(records)
    text = said(records)
    assert "1 of 1 intervals hold for other seeds alone, not for other dev rows, as reports" in text
    assert "reports can't compute kappa for other rows" in text
    assert "are not saved" not in text
    advice = " ".join(analysis.advice[0].sentences)
    assert "Nothing is proved of kappa, which reports can't compute anew" in advice


@pytest.mark.parametrize("name", ["dev", "cross_fit", "held_out"])
def test_it_says_what_chose_the_weights(tmp_path: Path, name: str) -> None:
    for number, one in enumerate(grid({"mnli": 1000, "rte": 10}, none, seeds=[0, 1])):
        one.config["selection"] = name
        one.write(tmp_path / str(number))
    assert f"(selection={name})" in said(collect([tmp_path]))


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    for number, one in enumerate(grid({"mnli": 1000, "rte": 10}, none, seeds=[0])):
        one.write(tmp_path / str(number))
    assert "There are no intervals" in said(collect([tmp_path]))
