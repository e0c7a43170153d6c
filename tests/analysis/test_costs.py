import pytest

from tests.support.planted import grid, none, record
from tests.support.tables import Table
from tlbench.analysis.comparisons import gains
from tlbench.analysis.costs import budgets, by_strategy, totals

TASKS = {"rte": 100, "mnli": 400}


def test_cost_per_point_is_the_instances_beyond_singles(table: Table) -> None:
    frame = table(grid(TASKS, none, noise=0.0, gain=0.02))
    budget = budgets(frame, gains(frame))
    (row,) = budget[(budget.strategy == "mtl") & (budget.target == "rte")].itertuples()
    assert row.passes == 3 * 500
    assert row.gain == pytest.approx(0.02)
    assert row.passes_per_point == pytest.approx(3 * 400 / 2)
    worse = budget[budget.strategy == "mtl_all"]
    assert worse.passes_per_point.isna().all()
    means = by_strategy(budget).set_index("strategy")
    assert means.passes["single"] == 3 * 250
    assert means.passes_per_point["stilts"] == pytest.approx(3 * 250 / 2)


def test_reuse_counts_every_stage_once(table: Table) -> None:
    # Stages of a seed: two tasks alone, two STILTs' second stages, one pair (it is also all tasks)
    costs = totals(table(grid(TASKS, none, seeds=[0, 1]))).set_index("cost").loc["passes"]
    assert costs.with_reuse == 2 * 3 * (100 + 400 + 100 + 400 + 500)
    assert costs.without_reuse == 2 * 3 * (100 + 400 + 4 * 500 + 2 * 500)


def test_what_has_no_score_has_cost_the_same(table: Table) -> None:
    records = grid(TASKS, none, seeds=[0])
    before = totals(table(records)).with_reuse.to_list()
    records[0].score = None
    records[1].score, records[1].status = None, "diverged"
    assert totals(table(records)).with_reuse.to_list() == before


def test_a_majority_class_that_is_not_defined_everywhere_has_no_mean(table: Table) -> None:
    records = grid(TASKS, none, seeds=[0])
    for one in records:
        one.majority_score = None if one.target_task == "rte" else 0.5
    frame = table(records)
    assert by_strategy(budgets(frame, gains(frame))).majority.isna().all()


def test_a_start_stage_without_a_record_is_known_by_what_was_reused(table: Table) -> None:
    spent = {"instances": 1500, "instances_reused": 1200, "steps": 15, "steps_reused": 12}
    records = [record("stilts", "rte", "mnli", TASKS, s, 0.5, **spent) for s in range(2)]
    other = {"rte": 50, "mnli": 400}
    records.append(record("stilts", "rte", "mnli", other, 0, 0.5, **{**spent, "instances": 1350}))
    costs = totals(table(records)).set_index("cost").loc["passes"]
    assert costs.with_reuse == 1500 + 1500 + 150


def stage(title: str, rows: dict[str, int], instances: int) -> dict[str, object]:
    costs = {"steps": instances // 10, "instances": instances, "seconds": 1.0}
    return {"title": title, "key": title, "train_rows": rows, "reused": False, **costs}


def test_what_records_say_of_every_stage_is_counted_once(table: Table) -> None:
    """Three stages in a row, of which two records share the first two."""
    first, second = stage("a", {"rte": 100}, 300), stage("b", {"mnli": 400}, 1200)
    records = []
    for seed, last in enumerate((stage("c", {"rte": 100}, 300), stage("d", {"rte": 90}, 270))):
        stages = [first, second, last]
        cost = sum(int(str(one["instances"])) for one in stages)
        spent = {"instances": cost, "steps": cost // 10}
        keys = [str(one["key"]) for one in stages]
        more = {"stages": stages, "stage_keys": keys, **spent}
        records.append(record("chain", "rte", "mnli", TASKS, seed, 0.5, **more))
    costs = totals(table(records)).set_index("cost").loc["passes"]
    assert costs.with_reuse == 300 + 1200 + 300 + 270
    assert costs.without_reuse == 1800 + 1770


def test_a_task_that_is_trained_twice_has_as_many_rows_as_it_has(table: Table) -> None:
    stages = [stage("a", {"rte": 100, "mnli": 400}, 1500), stage("b", {"rte": 100}, 300)]
    rows = {"rte": 200, "mnli": 400}
    twice = record("chain", "rte", "mnli", TASKS, 0, 0.5, stages=stages, stage_keys=["a", "b"])
    twice.train_rows = rows
    frame = table([twice, record("single", "rte", None, TASKS, 0, 0.4)])
    assert set(frame.target_rows) == {100}
    assert frame.support_rows.tolist() == [400, 0]
    assert gains(frame).difference.tolist() == pytest.approx([0.1])


def test_a_method_is_a_row_of_its_own(table: Table) -> None:
    records = [*grid(TASKS, none), *grid(TASKS, none, strategies=["mtl"], method="mean")]
    frame = table(records)
    means = by_strategy(budgets(frame, gains(frame)))
    assert sorted(zip(means.strategy, means.method, means.settings, strict=True)) == [
        ("mtl", "mean", 2),
        ("mtl", "sum", 2),
        ("mtl_all", "sum", 2),
        ("single", "-", 2),
        ("stilts", "-", 2),
    ]
    assert means.passes_per_point[means.strategy == "mtl"].notna().all()


def test_device_hours_count_every_stage_once_and_each_of_its_devices(table: Table) -> None:
    """Two STILTs from one stage of two devices; an older record has seconds and no stages."""
    hour = {"steps": 1, "instances": 1, "train_rows": {"rte": 100}, "seconds": 3600.0}
    first = {**hour, "title": "a", "key": "a", "devices": 2, "reused": True}
    records = []
    for seed, key in enumerate("bc"):
        stages = [first, {**hour, "title": key, "key": key, "devices": None, "reused": False}]
        keys = ["a", key]
        more = {"stages": stages, "stage_keys": keys}
        records.append(record("stilts", "rte", "mnli", TASKS, seed, 0.5, **more))
    assert (records[0].device_hours, records[0].device_hours_reused) == (3.0, 2.0)
    records.append(record("single", "rte", None, TASKS, 0, 0.5, training_seconds=1800.0))
    costs = totals(table(records)).set_index("cost").loc["device hours"]
    assert costs.with_reuse == pytest.approx(2 + 1 + 1 + 0.5)
    assert costs.without_reuse == pytest.approx(3 + 3 + 0.5)
