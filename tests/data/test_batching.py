from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlbench.data.apportionment import fixed_counts
from tlbench.data.batching import ONE_TASK_A_BATCH, BatchPlan, Mixer
from tlbench.data.sampling import proportions

RTE, MNLI, WNLI = 2490, 392702, 635


def mixer(sizes: tuple[int, ...], **changes: Any) -> Mixer:
    rule = changes.pop("rule", "size")
    shares = proportions(rule, np.array(sizes), 2.0)
    settings = {
        "names": tuple(f"task{i}" for i in range(len(sizes))),
        "sizes": sizes,
        "shares": shares,
        "batches": "heterogeneous",
        "epoch": "total",
        "batch_size": 32,
        "seed": 0,
    }
    return Mixer(**{**settings, **changes})


@pytest.mark.parametrize(
    ("rule", "sizes", "counts", "steps"),
    [
        ("uniform", (RTE, MNLI), [64, 64], 38),
        ("size", (RTE, MNLI), [1, 127], 2490),
        ("size", (WNLI, MNLI), [1, 127], 635),
    ],
)
def test_the_papers_fixed_counts(
    rule: str, sizes: tuple[int, ...], counts: list[int], steps: int
) -> None:
    shares = proportions(rule, np.array(sizes))
    assert fixed_counts(shares, 128).tolist() == counts
    batching = mixer(sizes, rule=rule, batches="fixed_counts", epoch="shortest", batch_size=128)
    assert batching.steps() == steps
    first, *_, last = batching.plan(0)
    assert [len(rows) for _, rows in first] == [len(rows) for _, rows in last] == counts


def flat(batches: list[BatchPlan]) -> list[tuple[int, int]]:
    return [(task, int(row)) for batch in batches for task, rows in batch for row in rows]


def test_the_matched_budget_takes_every_row_once() -> None:
    batching = mixer((100, 37, 512))
    rows = flat(batching.plan(0))
    assert len(rows) == len(set(rows)) == 100 + 37 + 512
    assert batching.steps() == 21


@pytest.mark.parametrize(
    ("epoch", "counts"),
    [
        ("total", [70, 70]),
        ("shortest", [40, 40]),
        ("longest", [100, 100]),
        ("target", [100, 100]),
        (3, [48, 48]),
    ],
)
def test_the_length_of_an_epoch_under_uniform(epoch: Any, counts: list[int]) -> None:
    batching = mixer((40, 100), rule="uniform", epoch=epoch, target=1)
    assert batching.counts().tolist() == counts


@pytest.mark.parametrize("epoch", ["shortest", "longest", "target"])
def test_under_size_every_measure_is_all_rows(epoch: str) -> None:
    for sizes in [(RTE, MNLI), (3, 7), (635, 2490, 8551)]:
        assert mixer(sizes, epoch=epoch).counts().tolist() == list(sizes)


cases = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(["size", "uniform", "temperature"]),
        "batches": st.sampled_from(["heterogeneous", *ONE_TASK_A_BATCH, "fixed_counts"]),
        "epoch": st.sampled_from(["total", "shortest", "longest", "target", 1, 7]),
        "batch_size": st.integers(4, 40),
        "seed": st.integers(0, 99),
        "last_batch": st.sampled_from(["keep", "drop"]),
    }
)


@given(st.lists(st.integers(1, 120), min_size=1, max_size=4).map(tuple), cases, st.integers(0, 3))
def test_exactly_as_many_batches_as_announced(
    sizes: tuple[int, ...], case: dict[str, Any], epoch: int
) -> None:
    if len(sizes) == 1:
        case = {**case, "epoch": "total"}
    batching = mixer(sizes, **case)
    batches = batching.plan(epoch)
    assert len(batches) == batching.steps()
    assert np.bincount([t for t, _ in flat(batches)], minlength=len(sizes)).tolist() == (
        batching.counts().tolist()
    )
    for batch in batches:
        assert 1 <= sum(len(rows) for _, rows in batch) <= case["batch_size"]
        assert [task for task, _ in batch] == sorted({task for task, _ in batch})
        for task, rows in batch:
            assert 0 <= rows.min() <= rows.max() < sizes[task]
    if case["batches"] in ONE_TASK_A_BATCH:
        assert all(len(batch) == 1 for batch in batches)
    if case["last_batch"] == "drop" and case["batches"] == "heterogeneous" and len(batches) > 1:
        assert {sum(len(rows) for _, rows in batch) for batch in batches} == {case["batch_size"]}
    assert flat(mixer(sizes, **case).plan(epoch)) == flat(batches)


@pytest.mark.parametrize(
    ("size", "steps", "rows"),
    [(2490, 19, 2432), (635, 4, 512), (256, 2, 256), (100, 1, 100)],
)
def test_the_paper_drops_the_last_batch_of_a_task_alone(size: int, steps: int, rows: int) -> None:
    """Their loader does, with batches of 128; what a task leaves out is drawn anew each epoch."""
    batching = mixer((size,), batch_size=128, last_batch="drop")
    assert batching.steps() == steps
    assert batching.counts().tolist() == [rows]
    assert mixer((size,), batch_size=128).counts().tolist() == [size]
    left_out = [set(range(size)) - {row for _, row in flat(batching.plan(e))} for e in (0, 1)]
    assert (left_out[0] != left_out[1]) == (rows < size)


@pytest.mark.parametrize("batches", ONE_TASK_A_BATCH)
def test_of_batches_of_one_task_every_tasks_last_is_dropped(batches: str) -> None:
    batching = mixer((100, 40, 20), batches=batches, last_batch="drop")
    sizes = [(task, len(rows)) for ((task, rows),) in batching.plan(0)]
    assert sorted(sizes) == [(0, 32)] * 3 + [(1, 32), (2, 20)]  # 20 rows are one batch and stay


def test_epochs_and_seeds_differ() -> None:
    orders = [flat(mixer((50, 60), seed=seed).plan(epoch)) for seed in (0, 1) for epoch in (0, 1)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])


def test_a_tasks_order_does_not_depend_on_the_others() -> None:
    alone = [row for _, row in flat(mixer((50,), names=("b",)).plan(0))]
    both = mixer((70, 50), names=("a", "b"), batches="homogeneous").plan(0)
    rows = {row for task, row in flat(both) if task == 1}
    assert rows == set(alone)
    first_of_b = mixer((70, 50), names=("a", "b"))._rows(1, 50, 0)
    assert first_of_b.tolist() == alone


def test_a_partition_is_one_task_after_another() -> None:
    orders = set()
    for epoch in range(8):
        batches = mixer((100, 40, 70), batches="partition").plan(epoch)
        tasks = [task for ((task, _),) in batches]
        order = tuple(dict.fromkeys(tasks))
        assert tasks == [task for task in order for _ in range(tasks.count(task))]
        orders.add(order)
    assert len(orders) > 1  # drawn anew for every epoch


def test_heterogeneous_batches_are_mixed() -> None:
    batches = mixer((320, 320)).plan(0)
    assert sum(len(batch) == 2 for batch in batches) > 15


@pytest.mark.parametrize("batches", ["heterogeneous", "homogeneous", "partition", "fixed_counts"])
@pytest.mark.parametrize("epoch", ["total", "shortest", 9])
def test_later_epochs_have_other_shares_and_the_length_of_the_first(
    batches: str, epoch: Any
) -> None:
    batching = mixer((100, 300), batches=batches, epoch=epoch)
    shares = np.array([0.8, 0.2])
    plan = batching.plan(1, shares)
    assert len(plan) == batching.steps() == len(batching.plan(0))
    counts = batching.counts(shares)
    assert counts[0] > 2.5 * counts[1]
    drawn = [sum(len(rows) for batch in plan for task, rows in batch if task == t) for t in (0, 1)]
    assert drawn == counts.tolist()
    if batches == "heterogeneous":
        assert counts.sum() == batching.counts().sum()
