"""Cells of a table: curves as words, and the entropy of labels."""

import numpy as np
import pytest

from tlbench.analysis.learned import (
    as_words,
    cosines_as_words,
    cosines_from_words,
    from_words,
    label_entropy,
)

CURVE = {"steps": [250, 500], "scores": {"rte": [None, 0.622]}, "chosen": {"rte": 500}}


def test_a_curve_is_a_point_a_word_with_a_star_at_the_chosen_one() -> None:
    assert as_words(CURVE, "rte") == "250:nan 500:0.622*"
    assert as_words(CURVE, "mnli") == ""
    assert as_words(None, "rte") == ""


def test_words_are_read_back() -> None:
    steps, scores, chosen = from_words("250:nan 500:0.622*")
    assert steps.tolist() == [250, 500]
    assert scores.tolist() == pytest.approx([np.nan, 0.622], nan_ok=True)
    assert chosen == 500
    assert from_words("250:1e-05")[2] == 0


@pytest.mark.parametrize(
    ("counts", "entropy"),
    [
        ({"a": 10, "b": 10, "c": 10}, 1),
        ({"a": 10, "b": 0}, 0),
        ({"a": 9, "b": 1}, 0.468996),  # golden: H(.9, .1) / log 2
        ({"a": 1, "b": 1, "c": 0}, np.log(2) / np.log(3)),
        ({}, np.nan),
        ({"a": 5}, np.nan),
        ({"a": 0, "b": 0}, np.nan),
    ],
)
def test_the_entropy_of_labels_is_a_share_of_the_most_there_could_be(
    counts: dict[str, float], entropy: float
) -> None:
    assert label_entropy(counts) == pytest.approx(entropy, abs=1e-6, nan_ok=True)


def test_cosines_are_means_over_epochs_by_pair() -> None:
    words = cosines_as_words([{"mnli+rte": 0.5, "mnli+qnli": -0.25}, {"mnli+rte": 0.25}])
    assert words == "mnli+rte:0.3750 mnli+qnli:-0.2500"
    assert cosines_from_words(words) == {
        frozenset({"rte", "mnli"}): 0.375,
        frozenset({"mnli", "qnli"}): -0.25,
    }
    assert cosines_as_words(None) == ""
    assert cosines_from_words("") == {}
