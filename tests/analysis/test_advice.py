import pandas as pd

from tests.support.planted import SEEDS, grid, none
from tests.support.tables import Table
from tlbench.analysis.advice import UNDECIDED, Advice, advise
from tlbench.analysis.comparisons import compare, gains
from tlbench.analysis.names import labels_of, sides_of
from tlbench.analysis.verdicts import EVIDENCE, NO_DIFFERENCE
from tlbench.records.record import ResultRecord

TASKS = {"rte": 100, "mnli": 400, "cola": 200}


def advice_of(frame: pd.DataFrame) -> dict[str, Advice]:
    every = advise(frame, compare(frame), gains(frame), labels_of(frame))
    return {a.target: a for a in every}


def test_a_planted_winner_is_recommended(table: Table) -> None:
    by_target = advice_of(
        table(grid(TASKS, lambda t, s, *_: 0.05 if (t, s) == ("rte", "mnli") else 0.0))
    )
    assert by_target["rte"].do == "MTL with mnli"
    assert by_target["rte"].verdict == EVIDENCE
    assert by_target["rte"].low < 0.07 < by_target["rte"].high
    assert by_target["rte"].candidates == 5
    assert "MTL with mnli (best of 5): +" in by_target["rte"].reason


def test_a_candidate_that_lost_a_seed_is_not_among_the_best(table: Table) -> None:
    records = grid(TASKS, lambda t, s, *_: 0.05 if (t, s) == ("rte", "mnli") else 0.0)
    for one in records:
        if (one.strategy, one.target_task, one.seed) == ("mtl", "rte", SEEDS[0]):
            one.status, one.score = "failed", None
    by_target = advice_of(table(records))
    assert by_target["rte"].candidates == 3
    assert by_target["rte"].tried.startswith("STILTs with ")


def test_without_gain_single_is_recommended(table: Table) -> None:
    by_target = advice_of(table(grid(TASKS, none, noise=0.01, gain=-0.01)))
    assert {a.do for a in by_target.values()} == {"single"}
    close = advice_of(table(grid(TASKS, none, noise=0.0005, gain=0.0)))
    assert {a.verdict for a in close.values()} == {NO_DIFFERENCE}


def test_without_single_mtl_and_stilts_are_compared(table: Table) -> None:
    records: list[ResultRecord] = grid(
        {"rte": 100, "mnli": 400},
        lambda t, *_: 0.05 if t == "rte" else 0.0,
        noise=0.002,
        strategies=["stilts", "mtl"],
    )
    by_target = advice_of(table(records))
    assert by_target["rte"].do == "MTL with mnli"
    assert by_target["rte"].against == "STILTs with mnli"
    assert by_target["mnli"].do == "either"


def test_the_method_is_part_of_the_candidate(table: Table) -> None:
    worse = grid(TASKS, none)
    better = grid(TASKS, lambda t, s, *_: 0.05 if (t, s) == ("rte", "mnli") else 0.0, method="mean")
    (rte,) = [a for target, a in advice_of(table([*worse, *better])).items() if target == "rte"]
    assert rte.do == "MTL (mean) with mnli"
    # two supports of MTL under two methods, of STILTs under none, and MTL-ALL under two
    assert rte.candidates == 2 * 2 + 2 + 2


def test_without_single_each_method_is_compared(table: Table) -> None:
    tasks = {"rte": 100, "mnli": 400}
    pair = ["stilts", "mtl"]
    worse = grid(tasks, lambda *_: -0.05, noise=0.002, strategies=pair)
    better = grid(tasks, lambda *_: 0.05, noise=0.002, strategies=["mtl"], method="mean")
    frame = table([*worse, *better])
    every = advise(frame, compare(frame), gains(frame), labels_of(frame))
    choices = {a.do for a in every if a.target == "rte"}
    assert choices == {"STILTs with mnli", "MTL (mean) with mnli"}


def test_the_sides_are_any_two(table: Table) -> None:
    frame = table(grid(TASKS, lambda *_: 0.05, noise=0.001, strategies=["mtl", "mine"]))
    sides = sides_of(labels_of(frame), ["mine", "mtl"])
    comparisons = compare(frame, *sides.names)
    every = advise(frame, comparisons, gains(frame), labels_of(frame), sides)
    assert len(every) == 6
    assert all(a.do.startswith("MTL with ") for a in every)
    assert all(a.tried.startswith("mine with ") for a in every)


def test_one_seed_decides_nothing(table: Table) -> None:
    by_target = advice_of(table(grid(TASKS, none, seeds=[0])))
    assert {a.do for a in by_target.values()} == {UNDECIDED}
    assert "no spread over seeds" in by_target["rte"].reason
