import numpy as np
import pandas as pd
import pytest

from benchmarks.planted_truths import NULLS, study
from tlbench.analysis.candidates import Runs, runs_of
from tlbench.analysis.collect import table_of
from tlbench.analysis.row_vectors import RowVectors, row_vectors
from tlbench.records.predictions import Saved

RANDOM = np.random.default_rng(0)


def runs(scores: list[float], metric: str = "accuracy") -> Runs:
    key = ("stilts", "-", "mnli", 1)
    none = [None] * len(scores)
    collapsed = np.zeros(len(scores), bool)
    return Runs(key, np.array(scores), none, 0, collapsed, np.nan, np.nan, metric)


def test_no_two_runs_of_two_accuracies_differ_by_more_than_the_bound() -> None:
    for first, second in ((0.8, 0.7), (0.55, 0.5), (0.95, 0.9)):
        bound = runs([first]).row_bound(runs([second]), 400)
        right = [np.arange(400) < rate * 400 for rate in (first, second)]
        # As many rows as possible differ where each is wrong where the other is right.
        differences = right[0].astype(float) - right[1][::-1]
        assert differences.std() / 20 <= bound + 1e-12
        assert bound < 1 / 20
    assert np.isnan(runs([0.8], "f1").row_bound(runs([0.7], "f1"), 400))
    assert np.isnan(runs([0.8]).row_bound(runs([0.7]), 0))


@pytest.mark.parametrize(
    ("metric", "widest"),
    [("accuracy", 1), ("accuracy+f1", 1), ("pearson+spearman", 2), ("mse", np.inf)],
)
def test_no_gain_is_wider_than_the_range_of_its_score(metric: str, widest: float) -> None:
    assert runs([0.5], metric).widest == widest


def test_single_comes_first_and_seeds_are_in_order() -> None:
    table, predictions = study(NULLS[0], 100, 4, np.random.default_rng(0))
    table = table_of(table.sample(frac=1, random_state=0))
    (vectors,) = row_vectors(table, predictions).values()
    found = runs_of(table, vectors)
    assert (found[0].key[0], len(found), vectors.rows) == ("single", 12, 100)
    single = table[table.strategy == "single"].sort_values("seed")
    assert found[0].scores == pytest.approx(single.score.to_numpy())
    lowest = found[0].vectors_of(2)
    assert lowest is not None
    assert lowest.shape[0] == 2


def test_failed_jobs_are_not_trained_runs_without_a_score() -> None:
    table = table_of(
        pd.DataFrame(
            {
                "target": "rte",
                "strategy": "single",
                "seed": range(4),
                "score": [0.5, np.nan, np.nan, 0.6],
                "outcome": ["scored", "failed", "diverged", "scored"],
            }
        )
    )
    (single,) = runs_of(table, RowVectors({}, 0))
    assert (len(single.scores), single.without_score) == (2, 1)


def test_a_run_that_says_one_word_or_is_no_better_has_learned_nothing() -> None:
    """By its record, by its predictions, or by its score."""
    scores = [0.7, 0.5, 0.6, 0.65]
    frame = pd.DataFrame({"target": "rte", "strategy": "single", "seed": range(4), "score": scores})
    frame = frame.assign(majority_score=0.5, collapsed=[False, False, True, False])
    predictions = {3: Saved(np.arange(20.0), np.arange(20) < 13.0, np.ones(20))}
    table = table_of(frame)
    (vectors,) = row_vectors(table, predictions).values()
    (single,) = runs_of(table, vectors)
    assert list(single.collapsed) == [False, False, True, True]
    assert list(single.learned_nothing) == [False, True, True, True]
