import numpy as np
import pytest

from tests.support.planted import SEEDS, grid, heuristic_holds, none, record
from tests.support.tables import Table
from tlbench.analysis.cells import (
    METHODS,
    at_full_size,
    best_of_pair,
    has_sizes,
    method_scores,
    missing,
    order,
)
from tlbench.analysis.comparisons import compare, gains
from tlbench.analysis.heuristic import judge

TASKS = {"rte": 10, "mnli": 1000, "cola": 100}


def test_methods_are_the_planted_means(table: Table) -> None:
    frame = table(grid(TASKS, heuristic_holds, noise=0.0))
    found = method_scores(frame, judge(compare(frame)))
    assert tuple(found.index) == METHODS
    assert list(found.columns) == ["mnli", "cola", "rte", "mean"]
    # rte: MTL is 2 points better with cola, 4 with mnli; mnli: worse by 2 and 4
    rte, mnli = 100 * found.rte, 100 * found.mnli
    assert rte["single"] == pytest.approx(70)
    assert rte["average STILTs"] == pytest.approx(72)
    assert rte["average MTL"] == rte["size heuristic"] == pytest.approx(75)
    assert rte["pairwise oracle"] == pytest.approx(76)
    assert mnli["average MTL"] == pytest.approx(69)
    assert mnli["size heuristic"] == mnli["pairwise oracle"] == pytest.approx(72)
    assert found["mean"]["MTL-ALL"] == pytest.approx(0.69)
    assert found.loc["majority class"].eq(0.5).all()


def test_every_method_counts_all_seeds_of_a_cell(table: Table) -> None:
    """Where one strategy lost seeds, the other's are not lost to the methods that choose it."""
    records = grid(TASKS, heuristic_holds, noise=0.02)
    for one in records:
        if (one.strategy, one.target_task, one.seed) == ("stilts", "rte", SEEDS[0]):
            one.status, one.score = "failed", None
    frame = table(records)
    found = method_scores(frame, judge(compare(frame)))
    # the smallest target: the heuristic always says MTL
    assert found.rte["size heuristic"] == pytest.approx(found.rte["average MTL"], rel=1e-12)


def test_a_target_whose_pairs_are_smaller_than_it_has_no_pairs_methods(table: Table) -> None:
    records = [r for r in grid(TASKS, none) if r.target_task != "rte"]
    records += grid({"rte": 5, "mnli": 1000}, none, strategies=["stilts", "mtl"])
    records += [record("single", "rte", None, TASKS, seed, 0.7) for seed in SEEDS]
    frame = table([r for r in records if r.target_task == "rte" or r.strategy != "mtl_all"])
    found = method_scores(frame, judge(compare(frame)))
    assert found.rte["single"] == pytest.approx(0.7)
    assert np.isnan(found.rte["size heuristic"])


def test_a_target_without_a_majority_score_is_in_the_means_of_the_others(table: Table) -> None:
    records = grid(TASKS, heuristic_holds, noise=0.0)
    for one in records:
        if one.target_task == "rte":
            one.majority_score = None
    frame = table(records)
    found = method_scores(frame, judge(compare(frame)))
    # all three: 69, 72, 75
    assert 100 * found["mean"]["average MTL"] == pytest.approx(72)
    assert np.isnan(found["mean"]["majority class"])


def test_a_strategy_of_the_users_own_has_its_row(table: Table) -> None:
    records = grid(TASKS, heuristic_holds)
    records += [record("mine", "rte", "mnli", TASKS, seed, 0.9) for seed in range(2)]
    frame = table([r for r in records if r.target_task == "rte"])
    found = method_scores(frame, judge(compare(frame)))
    assert found.rte["average mine"] == pytest.approx(0.9)


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
    assert missing(frame, compare(frame)) == [("cola", "mnli"), ("rte", "cola")]


def test_of_several_sizes_the_grid_shows_the_largest(table: Table) -> None:
    small = grid({"rte": 5, "mnli": 500}, heuristic_holds)
    found = compare(table([*grid(TASKS, heuristic_holds), *small]))
    assert has_sizes(found)
    full = at_full_size(found)
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
