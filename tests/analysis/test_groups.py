"""Means of groups over seeds, and their table."""

import math

import pandas as pd
import pytest

from tests.support.planted import config, record
from tests.support.tables import Table
from tlbench.analysis.groups import group_means
from tlbench.records.groups import ALL_ROWS, WORST_GROUP
from tlbench.records.record import ResultRecord

BY_SEED = [(0.4, 0.9), (0.8, 0.6)]


def grouped(strategy: str, seed: int, groups: tuple[float, float]) -> ResultRecord:
    """Return a record of a target with two groups of the same size."""
    made = record(strategy, "rte", "mnli", {"rte": 100, "mnli": 50}, seed, min(groups))
    made.config = config(strategy, "rte")
    made.config["target_task"]["score"] = ["worst_group_accuracy"]
    made.metrics = {"worst_group_accuracy": min(groups), "accuracy": sum(groups) / 2}
    made.groups = {
        name: {"rows": 50, "accuracy": value} for name, value in zip("ab", groups, strict=True)
    }
    return made


def test_the_worst_is_each_seed_s_own(table: Table) -> None:
    records = [grouped("mtl", seed, groups) for seed, groups in enumerate(BY_SEED)]
    (row,) = group_means(table(records)).to_dict("records")
    assert (row["target"], row["strategy"], row["seeds"]) == ("rte", "mtl", 2)
    assert row["a"] == pytest.approx(0.6)
    assert row["b"] == pytest.approx(0.75)
    assert row[ALL_ROWS] == pytest.approx((0.65 + 0.7) / 2)
    assert row[WORST_GROUP] == pytest.approx(0.5)


def test_without_groups_there_is_nothing(table: Table) -> None:
    plain = record("single", "rte", None, {"rte": 100}, 0, 0.5)
    assert group_means(table([plain])).empty
    both = group_means(table([plain, grouped("mtl", 0, (0.4, math.nan))]))
    assert list(both.strategy) == ["mtl"]
    assert pd.isna(both.b[0])
