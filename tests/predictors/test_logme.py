import numpy as np
import pytest

from tlbench.predictors.logme import logme

FEATURES = np.array(
    [
        [1, 0, 0.5],
        [0.8, 0.1, -0.2],
        [-1, 0.3, 0.1],
        [-0.7, -0.2, 0.4],
        [0.2, 1, -0.6],
        [-0.3, -0.9, 0.7],
    ]
)
CLASSES = np.array([0, 0, 1, 1, 0, 1])
NUMBERS = np.array([1.2, 0.7, -1, -0.5, 0.6, -0.8])


def test_golden_values() -> None:
    assert logme(FEATURES, CLASSES, is_classes=True) == pytest.approx(-1.020335, abs=1e-6)
    assert logme(FEATURES, NUMBERS, is_classes=False) == pytest.approx(-0.544728, abs=1e-6)


def test_features_that_tell_the_label_score_higher_than_noise() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(3, size=300)
    noise = random.normal(size=(300, 8))
    telling = noise + 2 * np.eye(3)[labels] @ random.normal(size=(3, 8))
    assert logme(telling, labels, True) > logme(noise, labels, True) + 0.1


@pytest.mark.parametrize("rows", [20, 200])
def test_more_features_than_rows_are_no_trouble(rows: int) -> None:
    random = np.random.default_rng(1)
    found = logme(random.normal(size=(rows, 64)), random.integers(2, size=rows), True)
    assert np.isfinite(found)


def test_which_way_features_are_turned_changes_nothing() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    assert logme(FEATURES @ turn, CLASSES, True) == pytest.approx(logme(FEATURES, CLASSES, True))
