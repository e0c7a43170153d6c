import numpy as np
import pytest

from tlbench.analysis.candidates import Runs
from tlbench.analysis.chance import beats_chance

RANDOM = np.random.default_rng(0)


def runs(mean: float, seeds: int = 5, spread: float = 0.02) -> Runs:
    scores = mean + spread * np.linspace(-1, 1, seeds) if seeds > 1 else np.array([mean][:seeds])
    key = ("stilts", "-", "mnli", 1)
    return Runs(key, scores, [None] * seeds, 0, scores > 1, 0.5, np.nan, "accuracy")


@pytest.mark.parametrize(
    ("mean", "expected"), [(0.7, True), (0.55, True), (0.51, False), (0.4, False)]
)
def test_a_mean_beats_chance_by_more_than_its_own_error(mean: float, expected: bool) -> None:
    assert beats_chance([runs(0.4), runs(mean)], 0.5, 277, 0.1) is expected


def test_of_many_at_chance_one_is_above_it_by_chance_and_does_not_count() -> None:
    said = []
    for _ in range(200):
        scores = 0.5 + 0.02 * RANDOM.normal(size=(12, 5))
        many = [
            Runs(("s", "-", "-", n), one, [], 0, one > 1, 0.5, 0, "accuracy")
            for n, one in enumerate(scores)
        ]
        said.append(beats_chance(many, 0.5, 277, 0.1))
    assert np.mean(said) < 0.15


def test_one_seed_has_the_error_of_a_share() -> None:
    assert not beats_chance([runs(0.54, 1)], 0.5, 277, 0.1)
    assert beats_chance([runs(0.6, 1)], 0.5, 277, 0.1)
    assert beats_chance([runs(0.2, 1)], 0.0, 277, 0.1)  # a correlation


def test_what_is_not_known_is_no_warning() -> None:
    assert beats_chance([runs(0.4)], np.nan, 277, 0.1)
    assert beats_chance([runs(0.4, 0)], 0.5, 277, 0.1)
