import numpy as np
import pytest

from tlbench.predictors.knn import knn

LINE = np.array([[1, 0], [1, 0.1], [1, 0.2], [0, 1], [0.1, 1], [0.2, 1]])


def test_rows_whose_neighbours_are_of_their_class() -> None:
    assert knn(LINE, np.array([0, 0, 0, 1, 1, 1]), True) == 1.0
    assert knn(LINE, np.array([0, 1, 0, 1, 0, 1]), True) < 0.5


def test_a_draw_is_decided_by_the_nearest() -> None:
    labels = np.array([0, 0, 1, 1])
    features = np.array([[1, 0], [1, 0.05], [1, 0.3], [1, 0.35]])
    assert knn(features, labels, True, neighbours=2) == 1.0


def test_numbers_are_judged_by_the_correlation() -> None:
    numbers = np.array([1.0, 1.1, 1.2, 5.0, 5.1, 5.2])
    assert knn(LINE, numbers, False, neighbours=2) > 0.9
    assert knn(LINE, np.ones(6), False) == 0.0


@pytest.mark.parametrize("scale", [0.1, 10])
def test_lengths_do_not_matter(scale: float) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    sizes = np.linspace(1, scale, 6)[:, None]
    assert knn(LINE * sizes, labels, True) == knn(LINE, labels, True)
