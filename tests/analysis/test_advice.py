import re

import numpy as np
import pandas as pd

from benchmarks.planted_truths import Truth, gains_of, study
from tests.support.planted import grid, none
from tests.support.tables import Table
from tests.support.verdicts import advice, candidate
from tlbench.analysis import verdict
from tlbench.analysis.advice import Advice
from tlbench.analysis.names import Labels, labels_of

LABELS = Labels({"single": "single", "stilts": "STILTs", "mtl": "MTL"}, {})


def planted(gain: float, seeds: int = 5, **columns: object) -> Advice:
    truth = Truth("", gains_of(gain), lambda _: np.ones(12))
    table, predictions = study(truth, 1000, seeds, np.random.default_rng(0))
    (one,) = verdict(table.assign(**columns), predictions)  # type: ignore[arg-type]
    return Advice(one, LABELS)


def test_a_proved_gain_says_what_is_proved_and_of_what() -> None:
    one = planted(0.16)
    assert (one.do, one.proved) == ("STILTs with support11", "proved better than single")
    (text,) = one.sentences
    assert text.startswith("+17.") or text.startswith("+1")
    assert "points over single (best of 11), of which +" in text
    assert "; 90% interval over seeds and dev rows, at 5 seeds: +" in text


def test_a_gain_that_is_not_proved_is_said_beside_what_may_be_best() -> None:
    one = planted(0.03)
    assert one.proved == "not proved better than single"
    assert one.do.startswith("STILTs with ")
    gain, candidates = one.sentences
    assert "points over single" in gain
    assert candidates.startswith("May still be the best, the likeliest first: ")
    shares = [int(share) for share in re.findall(r"\((\d+)%\)", candidates)]
    assert len(shares) > 1
    assert shares == sorted(shares, reverse=True)


def test_one_seed_is_not_tested() -> None:
    one = planted(0.16, seeds=1)
    assert one.proved == "not tested"
    assert one.sentences[0].endswith("; no interval, which takes two seeds or more.")


def test_collapsed_runs_of_both_are_counted() -> None:
    one = planted(0.16, collapsed=True)
    text = " ".join(one.sentences)
    assert "Collapsed runs: 5 of 5 of STILTs with support11, 5 of 5 of single." in text
    assert "Collapsed" not in " ".join(planted(0.16).sentences)


def test_a_gain_over_a_single_that_has_mostly_collapsed_says_little_and_that_is_said() -> None:
    best = candidate(gain=0.1, low=0.02, high=0.18, has_rows=True, proved="better")
    warning = "a gain over it says little: train longer (trainer.max_epochs)"
    for collapsed, is_said in ((5, True), (3, True), (2, False)):
        one = advice(best, candidate("single", seeds=5, collapsed=collapsed, may_be_best=False))
        assert (warning in " ".join(one.sentences)) == is_said


def test_what_is_proved_of_another_than_the_best_guess_is_said() -> None:
    """A noisy candidate may be expected to be the best, and a calmer one be certain."""
    noisy = candidate(gain=0.05, low=-0.01, high=0.11, has_rows=True, proved="nothing")
    calm = candidate(support="qnli", gain=0.04, low=0.01, high=0.07, has_rows=True, proved="better")
    one = advice(noisy, calm, candidate("single", may_be_best=False))
    assert one.proved == "not proved better than single"
    assert "Proved better than single: STILTs with qnli." in one.sentences
    other = advice(noisy, calm, candidate("single", may_be_best=False), best=1)
    assert not any(sentence.startswith("Proved better") for sentence in other.sentences)


def test_what_was_added_later_is_named() -> None:
    late = [candidate(support=name, batch=1) for name in ("qnli", "sst2", "cola", "mrpc", "wnli")]
    said = advice(candidate(), *late, candidate("single")).sentences[-1]
    assert said.endswith(
        "STILTs with qnli, STILTs with sst2, STILTs with cola, STILTs with mrpc and 1 more."
    )
    assert "Added" not in " ".join(advice(candidate(), candidate("single")).sentences)


def test_chance_comes_first() -> None:
    one = planted(0.0, majority_score=0.99)
    assert one.sentences[0].startswith("No candidate is above the majority class (99.0) by more")
    assert "trainer.max_epochs" in one.sentences[0]


def test_without_predictions_it_says_what_rows_could_do(table: Table) -> None:
    frame = table(grid({"rte": 100, "mnli": 400}, none, gain=0.05))
    (one, _) = verdict(frame)
    said = Advice(one, labels_of(frame))
    assert said.proved == "not tested"
    assert "over seeds alone" in said.sentences[0]
    assert "by a standard error of up to" in said.sentences[1]


def test_single_as_the_best_guess(table: Table) -> None:
    frame = table(grid({"rte": 100, "mnli": 400}, none, gain=-0.05))
    for one in verdict(frame):
        said = Advice(one, labels_of(frame))
        assert said.do == "single"
        assert "points, the most to expect of 4 candidates" in said.sentences[0]
    truth = Truth("", np.array([0.0] + [-0.2] * 11), lambda _: np.ones(12))
    rows, predictions = study(truth, 1000, 5, np.random.default_rng(0))
    (one,) = verdict(rows, predictions)
    assert Advice(one, LABELS).proved == "proved best"


def test_sizes_and_methods_are_named_where_there_are_several() -> None:
    truth = Truth("", gains_of(0.16), lambda _: np.ones(12))
    table, predictions = study(truth, 1000, 3, np.random.default_rng(0))
    last = table.support == "support11"
    table = table.assign(
        support=table.support.where(table.support != "support10", "support11"),
        support_rows=np.where(last, 2000, np.where(table.strategy == "single", 0, 1000)),
        method=np.where(table.strategy == "single", "-", "sum"),
    )
    labels = Labels(LABELS.strategies, {"sum": "sum", "mean": "mean"})
    (one,) = verdict(table, predictions)
    assert Advice(one, labels).do == "STILTs (sum) with support11 (2,000 rows)"


def test_without_any_score_there_is_no_guess() -> None:
    frame = pd.DataFrame(
        {"target": "rte", "strategy": ["single", "mtl"], "seed": 0, "score": [np.nan, np.nan]}
    )
    (one,) = verdict(frame)
    assert (Advice(one, LABELS).do, Advice(one, LABELS).proved) == ("-", "no score")
    assert Advice(one, LABELS).sentences == []
