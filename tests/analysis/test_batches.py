"""Which candidates were added after results could be seen."""

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.planted_truths import NULLS, study
from tlbench.analysis import verdict
from tlbench.analysis.batches import Key, batches, share
from tlbench.analysis.verdicts import Verdict


def key(strategy: str, support: str = "-") -> Key:
    return strategy, "-", support, 0


def runs(asked: int, *finished: int) -> pd.DataFrame:
    """Runs that were asked for at an hour, and finished at others."""
    times = [f"2026-01-01T{hour:02}:00:00+00:00" for hour in (asked, *finished)]
    return pd.DataFrame({"asked": times[0], "finished": times[1:]})


SINGLE, STILTS, MTL, ALL = key("single"), key("stilts", "mnli"), key("mtl", "mnli"), key("mtl_all")


def test_the_shares_sum_to_one() -> None:
    assert math.fsum(share(batch) for batch in range(50)) == pytest.approx(1)


def test_of_one_command_all_are_together_however_long_it_takes() -> None:
    found = batches({SINGLE: runs(1, 2, 3), STILTS: runs(1, 4, 5), MTL: runs(1, 9, 10)})
    assert set(found.values()) == {0}


def test_a_study_seed_by_seed_has_one_batch() -> None:
    both = pd.concat([runs(1, 2), runs(5, 6), runs(8, 9)])
    assert set(batches({SINGLE: both, STILTS: both, MTL: both}).values()) == {0}


def test_what_was_asked_for_after_two_could_be_compared_is_a_later_batch() -> None:
    first = {SINGLE: runs(1, 2, 3), STILTS: runs(1, 4, 5)}
    before, after = runs(4, 6, 7), runs(6, 7, 8)
    assert batches({**first, MTL: before})[MTL] == 0
    assert batches({**first, MTL: after})[MTL] == 1
    assert batches({**first, MTL: after, ALL: runs(6, 9)})[ALL] == 1
    assert batches({**first, MTL: after, ALL: runs(9, 10)})[ALL] == 2


def test_after_one_seed_and_after_single_alone_nothing_can_be_compared() -> None:
    assert batches({SINGLE: runs(1, 2), STILTS: runs(1, 2), MTL: runs(3, 4)})[MTL] == 0
    assert batches({SINGLE: runs(1, 2, 3), STILTS: runs(5, 6, 7)})[STILTS] == 0


def test_older_records_were_there_from_the_start() -> None:
    older = pd.DataFrame({"asked": [None, None], "finished": [None, None]})
    found = batches({SINGLE: older, STILTS: older, MTL: older, ALL: runs(1, 2)})
    assert found == {SINGLE: 0, STILTS: 0, MTL: 0, ALL: 1}


def judged(late: tuple[str, ...] = (), kept: int = 12) -> Verdict:
    table, predictions = study(NULLS[0], 400, 5, np.random.default_rng(3))
    table = table.assign(batch=table.support.isin(late).astype(int))
    table = table[table.support.isin(["-", *(f"support{n}" for n in range(1, kept))])]
    (one,) = verdict(table, predictions)
    return one


def test_who_comes_later_changes_no_interval_of_those_before() -> None:
    before, after = judged(kept=10), judged(("support10", "support11"))
    bounds = [{c.support: (c.low, c.high) for c in one.candidates} for one in (before, after)]
    for support, both in bounds[0].items():
        assert bounds[1][support] == pytest.approx(both, nan_ok=True)


def test_who_comes_later_has_the_interval_of_its_own_share() -> None:
    together, apart = judged(), judged(("support10", "support11"))
    widths = [{c.support: c.high - c.low for c in one.candidates} for one in (together, apart)]
    # Two candidates share a twentieth of the error where eleven share nine tenths.
    assert widths[1]["support11"] > widths[0]["support11"]
    assert widths[1]["support1"] < widths[0]["support1"]
    assert [c.batch for c in apart.candidates if c.support == "support11"] == [1]
