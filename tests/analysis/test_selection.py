"""By how much dev-selected scores are above cross-fitted ones, and what a report says of it."""

import math

import numpy as np
import pytest

from tests.support.planted import config, record
from tests.support.tables import Table
from tlbench.analysis.selection import notices, optimism
from tlbench.analysis.study import analyse
from tlbench.records.record import ResultRecord

ROWS = {"rte": 100, "mrpc": 200, "mnli": 400}


def run(
    gap: float, strategy: str = "single", seed: int = 0, target: str = "rte", **changes: object
) -> ResultRecord:
    """A run whose dev-selected score is higher by ``gap``."""
    both = {"dev": 0.7 + gap, "cross_fit": 0.7}
    made = record(strategy, target, "mnli", ROWS, seed, 0.7 + gap, scores_by_selection=both)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_the_sentence(table: Table) -> None:
    frame = table([run(0.01, seed=0), run(0.02, seed=1), run(0.03, seed=2)])
    # Student's t of three differences: 2 +- 2.92 * 1 / sqrt(3).
    assert notices(frame) == [
        "Dev-selected scores are on average +2.0 (90% interval +0.3 to +3.7) points above "
        "cross-fitted ones over 3 runs."
    ]


def test_it_stands_on_the_page(table: Table) -> None:
    gaps = {0: 0.01, 1: 0.03}
    runs = [
        run(gap, strategy, seed) for strategy in ("mtl", "stilts") for seed, gap in gaps.items()
    ]
    (said,) = [n for n in analyse(table(runs)).notices if n.startswith("Dev-selected")]
    assert said.startswith("Dev-selected scores are on average +2.0 (90% interval ")
    assert said.endswith(" over 4 runs.")


def test_of_one_run_there_is_no_interval(table: Table) -> None:
    (said,) = notices(table([run(-0.005)]))
    assert said == (
        "Dev-selected scores are on average -0.5 points above cross-fitted ones over 1 run."
    )


def test_runs_that_share_their_halves_are_no_independent_evidence(table: Table) -> None:
    draw = np.random.default_rng(0)
    gaps = {(t, s): draw.normal(0.01, 0.01) for t in ("rte", "mrpc") for s in range(5)}
    one = [run(gap, "mtl", seed, target) for (target, seed), gap in gaps.items()]
    twice = [*one, *(run(gap, "stilts", seed, target) for (target, seed), gap in gaps.items())]
    alone, both = optimism(table(one)), optimism(table(twice))
    assert alone is not None
    assert both is not None
    assert both.runs == 2 * alone.runs
    assert (both.mean, both.low, both.high) == pytest.approx((alone.mean, alone.low, alone.high))


@pytest.mark.parametrize(
    "changes",
    [
        {"scores_by_selection": {}},  # an older record
        {"scores_by_selection": {"dev": 0.7, "cross_fit": None}},  # of an older stage
        {"scores_by_selection": {"held_out": 0.7}},
        {"dev_read_by": ["weights of mnli+rte:rte"]},
    ],
)
def test_runs_without_two_clean_scores_say_nothing(
    table: Table, changes: dict[str, object]
) -> None:
    assert optimism(table([run(0.01, **changes)])) is None
    found = optimism(table([run(0.01, **changes), run(0.02, seed=1)]))
    assert found is not None
    assert (found.mean, found.runs, math.isnan(found.low)) == (pytest.approx(0.02), 1, True)


def test_scores_that_are_not_clean_are_said_where_they_are_reported(table: Table) -> None:
    under = config("mtl", "rte", selection="cross_fit")
    readers = {"dev_read_by": ["weights of mnli+rte:rte"]}
    runs = [run(0.01, "mtl", 0, config=under, **readers), run(0.01, "mtl", 1, config=under)]
    said = (
        "Cross-fitted scores that are not clean: 1 of 2, those of MTL; all of the target's dev "
        "rows have decided more than the last choice, as weights of mnli+rte:rte."
    )
    assert said in notices(table(runs))


def test_scores_of_dev_are_not_said_to_be_clean(table: Table) -> None:
    assert notices(table([run(0.01, "mtl", dev_read_by=["weights of mnli+rte:rte"])])) == []
