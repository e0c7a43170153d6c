import numpy as np
import pandas as pd
import pytest

from tests.support.planted import SEEDS, grid, heuristic_holds, none, record
from tests.support.tables import Table
from tlbench.analysis.comparisons import compare, gains
from tlbench.analysis.heuristic import judge
from tlbench.analysis.names import labels_of
from tlbench.analysis.settings import (
    at_full_size,
    best_of_pair,
    has_sizes,
    missing,
    order,
    per_task_scores,
)
from tlbench.records.record import ResultRecord

TASKS = {"rte": 10, "mnli": 1000, "cola": 100}


def scores_of(frame: pd.DataFrame) -> pd.DataFrame:
    return per_task_scores(frame, judge(compare(frame)), labels_of(frame))


def test_choices_are_the_planted_means(table: Table) -> None:
    frame = table(grid(TASKS, heuristic_holds, noise=0.0))
    scores = scores_of(frame)
    assert list(scores.index) == [
        "majority class",
        "single",
        "average STILTs",
        "average MTL",
        "MTL-ALL",
        "size heuristic",
        "pairwise oracle",
    ]
    assert list(scores.columns) == ["mnli", "cola", "rte", "mean"]
    # rte: MTL is 2 points better with cola, 4 with mnli; mnli: worse by 2 and 4
    rte, mnli = 100 * scores.rte, 100 * scores.mnli
    assert rte["single"] == pytest.approx(70)
    assert rte["average STILTs"] == pytest.approx(72)
    assert rte["average MTL"] == rte["size heuristic"] == pytest.approx(75)
    assert rte["pairwise oracle"] == pytest.approx(76)
    assert mnli["average MTL"] == pytest.approx(69)
    assert mnli["size heuristic"] == mnli["pairwise oracle"] == pytest.approx(72)
    assert scores["mean"]["MTL-ALL"] == pytest.approx(0.69)
    assert scores.loc["majority class"].eq(0.5).all()


def test_every_choice_counts_all_seeds_of_a_setting(table: Table) -> None:
    """Where one strategy lost seeds, the other's are not lost to what chooses it."""
    records = grid(TASKS, heuristic_holds, noise=0.02)
    for one in records:
        if (one.strategy, one.target_task, one.seed) == ("stilts", "rte", SEEDS[0]):
            one.status, one.score = "failed", None
    frame = table(records)
    scores = scores_of(frame)
    # the smallest target: the heuristic always says MTL
    assert scores.rte["size heuristic"] == pytest.approx(scores.rte["average MTL"], rel=1e-12)


def test_a_target_whose_pairs_are_smaller_than_it_has_no_scores_of_pairs(table: Table) -> None:
    records = [r for r in grid(TASKS, none) if r.target_task != "rte"]
    records += grid({"rte": 5, "mnli": 1000}, none, strategies=["stilts", "mtl"])
    records += [record("single", "rte", None, TASKS, seed, 0.7) for seed in SEEDS]
    frame = table([r for r in records if r.target_task == "rte" or r.strategy != "mtl_all"])
    scores = scores_of(frame)
    assert scores.rte["single"] == pytest.approx(0.7)
    assert np.isnan(scores.rte["size heuristic"])


def test_a_target_without_a_majority_score_is_in_the_means_of_the_others(table: Table) -> None:
    records = grid(TASKS, heuristic_holds, noise=0.0)
    for one in records:
        if one.target_task == "rte":
            one.majority_score = None
    frame = table(records)
    scores = scores_of(frame)
    # all three: 69, 72, 75
    assert 100 * scores["mean"]["average MTL"] == pytest.approx(72)
    assert np.isnan(scores["mean"]["majority class"])


def test_a_strategy_of_the_users_own_has_its_row(table: Table) -> None:
    records = grid(TASKS, heuristic_holds)
    records += [record("mine", "rte", "mnli", TASKS, seed, 0.9) for seed in range(2)]
    frame = table([r for r in records if r.target_task == "rte"])
    scores = scores_of(frame)
    assert scores.rte["average mine"] == pytest.approx(0.9)


def test_tasks_are_in_descending_size(table: Table) -> None:
    frame = table(grid(TASKS, heuristic_holds, seeds=[0]))
    assert order(frame) == ["mnli", "cola", "rte"]


def test_what_is_missing_is_named(table: Table) -> None:
    records = [
        r
        for r in grid(TASKS, heuristic_holds)
        if (r.strategy, r.target_task, r.support_tasks) != ("mtl", "rte", ["cola"])
        and (r.target_task, r.support_tasks) != ("cola", ["mnli"])
    ]
    frame = table(records)
    assert missing(frame, compare(frame)) == [("cola", "mnli", "sum"), ("rte", "cola", "sum")]


def test_of_several_sizes_the_grid_shows_the_largest(table: Table) -> None:
    small = grid({"rte": 5, "mnli": 500}, heuristic_holds)
    comparisons = compare(table([*grid(TASKS, heuristic_holds), *small]))
    assert has_sizes(comparisons)
    full = at_full_size(comparisons)
    assert len(full) == 6
    assert not has_sizes(full)
    assert set(full[full.target == "rte"].target_rows) == {10}


def test_the_better_of_each_pair_against_single(table: Table) -> None:
    frame = table(grid(TASKS, heuristic_holds, noise=1e-6))
    best = best_of_pair(judge(compare(frame)), gains(frame)).set_index(["target", "support"])
    assert best.loc[("rte", "mnli")].strategy == "mtl"
    assert best.loc[("rte", "mnli")].difference == pytest.approx(0.06, abs=1e-4)
    assert best.loc[("mnli", "rte")].strategy == "stilts"
    assert np.allclose(best.loc[("mnli", "rte")].difference, 0.02, atol=1e-4)


def two_methods() -> list[ResultRecord]:
    """MTL is 2 points better than STILTs under the sum, 4 under the mean."""
    better = grid(TASKS, lambda *_: 0.04, noise=1e-6, strategies=["mtl"], method="mean")
    return [*grid(TASKS, lambda *_: 0.02, noise=1e-6), *better]


def test_a_pairs_better_strategy_is_at_its_best_method(table: Table) -> None:
    frame = table(two_methods())
    best = best_of_pair(judge(compare(frame)), gains(frame))
    assert len(best) == 6
    assert set(best.strategy) == {"mtl"}
    assert set(best.method) == {"mean"}
    assert best.difference.to_numpy() == pytest.approx(np.full(6, 0.06), abs=1e-4)


def test_a_pair_whose_better_strategy_has_no_method(table: Table) -> None:
    worse = grid(TASKS, lambda *_: -0.04, noise=1e-6, strategies=["mtl"], method="mean")
    frame = table([*grid(TASKS, lambda *_: -0.02, noise=1e-6), *worse])
    best = best_of_pair(judge(compare(frame)), gains(frame))
    assert len(best) == 6
    assert set(zip(best.strategy, best.method, strict=True)) == {("stilts", "-")}


def test_every_method_has_its_scores_per_task(table: Table) -> None:
    scores = 100 * scores_of(table(two_methods()))["mean"]
    assert scores["average STILTs"] == pytest.approx(72, abs=1e-2)
    assert scores["average MTL (sum)"] == pytest.approx(74, abs=1e-2)
    assert scores["average MTL (mean)"] == pytest.approx(76, abs=1e-2)
    assert scores["pairwise oracle"] == pytest.approx(76, abs=1e-2)


def test_a_pair_is_missing_under_each_method(table: Table) -> None:
    records = [
        one
        for one in two_methods()
        if (one.target_task, one.config["method"]["name"]) != ("rte", "mean")
        or one.strategy != "mtl"
    ]
    frame = table(records)
    assert missing(frame, compare(frame)) == [("rte", "cola", "mean"), ("rte", "mnli", "mean")]


def test_a_target_among_several_supports_is_not_missing(table: Table) -> None:
    def several(strategy: str, target: str, support: str) -> list[ResultRecord]:
        return [record(strategy, target, support, TASKS, seed, 0.7) for seed in SEEDS]

    records = [
        *several("mtl", "rte", "mnli+cola"),
        *several("stilts", "rte", "mnli+cola"),
        *several("mtl", "mnli", "rte+cola"),
    ]
    frame = table(records)
    assert missing(frame, compare(frame)) == [("mnli", "rte+cola", "sum")]


def test_a_study_of_one_side_has_no_grid_that_pairs_are_missing_of(table: Table) -> None:
    """Heat maps would be nothing but hatching."""
    rows = {"rte": 100, "mnli": 400}
    runs = [
        record("mtl", "rte", "mnli", rows, 0, 0.6),
        record("merge", "rte", "mnli", rows, 0, 0.6),
    ]
    frame = table([record("single", "rte", "-", rows, 0, 0.5), *runs])
    assert missing(frame, compare(frame)) == []
