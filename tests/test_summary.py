import math
import statistics

import pytest
from rich.console import Console

from tests.test_results import record
from tlbench.results import ResultRecord
from tlbench.summary import points, study_table

SINGLE = [0.50, 0.52, 0.54]
STILTS = [0.60, 0.61, 0.68]


def study() -> list[ResultRecord]:
    singles = [record(seed=i, score=score, majority_score=0.5) for i, score in enumerate(SINGLE)]
    stilts = [
        record(seed=i, score=score, strategy="stilts", support_tasks=["mnli"], majority_score=0.5)
        for i, score in enumerate(STILTS)
    ]
    return [*stilts, *singles]


def shown(records: list[ResultRecord]) -> list[list[str]]:
    table = study_table(records)
    columns = [list(column.cells) for column in table.columns]
    return [[str(cell) for cell in row] for row in zip(*columns, strict=True)]


def test_means_spreads_and_paired_gains() -> None:
    single, stilts = shown(study())
    spread = statistics.stdev(SINGLE)
    assert single[:5] == ["rte", "single", "-", "3", f"52.0 ± {100 * spread:.1f}"]
    gains = [b - a for a, b in zip(SINGLE, STILTS, strict=True)]
    error = statistics.stdev(gains) / math.sqrt(3)
    assert stilts[1:3] == ["stilts", "mnli"]
    assert stilts[5] == f"{100 * statistics.mean(gains):+.1f} ± {100 * error:.1f}"


def test_one_seed_has_no_spread_and_no_single_no_gain() -> None:
    one = shown([r for r in study() if r.seed == 0])
    assert [row[4:6] for row in one] == [["50.0", "-"], ["60.0", "+10.0"]]
    (alone,) = shown([r for r in study() if r.seed == 0 and r.strategy == "stilts"])
    assert alone[5] == "-"


def test_only_common_seeds_are_compared() -> None:
    records = [r for r in study() if not (r.strategy == "single" and r.seed == 2)]
    assert shown(records)[1][5].startswith("+9.5 ± ")


def test_a_score_that_is_not_defined_is_left_out() -> None:
    assert shown([record(score=None), record(seed=1, score=0.5)])[0][3] == "1"
    assert points(None) == points(math.nan) == "-"


def test_results_that_differ_in_more_than_seeds_are_not_averaged() -> None:
    sizes = [
        record(
            score=score, config={"seed": 0, "store_dir": str(n), "subsample_size": {"target": n}}
        )
        for n, score in ((10, 0.5), (20, 0.6))
    ]
    assert [row[3:6] for row in shown(sizes)] == [
        ["subsample_size.target=10", "1", "50.0"],
        ["subsample_size.target=20", "1", "60.0"],
    ]


def test_tables_fit_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=120, record=True)
    console.print(study_table(study()))
    assert "…" not in console.export_text()
