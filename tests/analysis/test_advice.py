import numpy as np
import pandas as pd
import pytest

from tests.support.planted import SEEDS, grid, none
from tests.support.tables import Table
from tlbench.analysis import advice
from tlbench.analysis.advice import Advice, advise, simultaneous, verdict
from tlbench.analysis.comparisons import ALPHA, compare, gains
from tlbench.records.record import ResultRecord

TASKS = {"rte": 100, "mnli": 400, "cola": 200}


def said(frame: pd.DataFrame) -> dict[str, Advice]:
    return {a.target: a for a in advise(frame, compare(frame), gains(frame))}


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.001, 0.03, advice.EVIDENCE),
        (-0.03, -0.01, advice.EVIDENCE),
        (-0.01, 0.03, advice.NO_EVIDENCE),
        (-0.004, 0.005, advice.NO_DIFFERENCE),
        (0.001, 0.004, advice.NO_DIFFERENCE),
        (np.nan, np.nan, advice.NO_TEST),
    ],
)
def test_the_verdict_is_the_intervals(low: float, high: float, word: str) -> None:
    assert verdict(low, high) == word


def test_a_planted_winner_is_recommended(table: Table) -> None:
    found = said(table(grid(TASKS, lambda t, s, *_: 0.05 if (t, s) == ("rte", "mnli") else 0.0)))
    assert found["rte"].do == "MTL with mnli"
    assert found["rte"].verdict == advice.EVIDENCE
    assert found["rte"].low < 0.07 < found["rte"].high
    assert found["rte"].candidates == 5
    assert "MTL with mnli (best of 5): +" in found["rte"].reason


def test_a_candidate_that_lost_a_seed_is_not_among_the_best(table: Table) -> None:
    records = grid(TASKS, lambda t, s, *_: 0.05 if (t, s) == ("rte", "mnli") else 0.0)
    for one in records:
        if (one.strategy, one.target_task, one.seed) == ("mtl", "rte", SEEDS[0]):
            one.status, one.score = "failed", None
    found = said(table(records))
    assert found["rte"].candidates == 3
    assert found["rte"].tried.startswith("STILTs with ")


def test_without_gain_single_is_recommended(table: Table) -> None:
    found = said(table(grid(TASKS, none, noise=0.01, gain=-0.01)))
    assert {a.do for a in found.values()} == {"single"}
    sure = said(table(grid(TASKS, none, noise=0.0005, gain=0.0)))
    assert {a.verdict for a in sure.values()} == {advice.NO_DIFFERENCE}


def test_without_single_mtl_and_stilts_are_compared(table: Table) -> None:
    records: list[ResultRecord] = grid(
        {"rte": 100, "mnli": 400},
        lambda t, *_: 0.05 if t == "rte" else 0.0,
        noise=0.002,
        strategies=["stilts", "mtl"],
    )
    found = said(table(records))
    assert found["rte"].do == "MTL with mnli"
    assert found["rte"].against == "STILTs with mnli"
    assert found["mnli"].do == "either"


def test_one_seed_decides_nothing(table: Table) -> None:
    found = said(table(grid(TASKS, none, seeds=[0])))
    assert {a.do for a in found.values()} == {advice.UNDECIDED}
    assert "no spread over seeds" in found["rte"].reason


def test_intervals_hold_together_and_for_the_chosen_best() -> None:
    draw = np.random.default_rng(0)
    candidates, seeds, studies = 17, 5, 600
    together = best = 0
    for _ in range(studies):
        scores = 0.01 * draw.standard_normal((candidates + 1, seeds))
        means, sds = scores.mean(axis=1), scores.std(axis=1, ddof=1)
        group = pd.DataFrame(
            {
                "difference": means[1:] - means[0],
                "sd_first": sds[1:],
                "sd_second": sds[0],
                "seeds": seeds,
            }
        )
        bounds = simultaneous(group, one_control=True)
        inside = (bounds.low < 0) & (bounds.high > 0)
        together += inside.all()
        best += inside[group.difference.idxmax()]
    assert 1 - ALPHA - 0.02 < together / studies < 0.99
    assert best / studies > 1 - ALPHA
