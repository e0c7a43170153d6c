import numpy as np
import pytest

from tlbench.predictors.similarity import task_similarity, text_similarity


def test_texts_are_compared_by_their_means() -> None:
    one, other = np.array([[1.0, 0], [3, 0]]), np.array([[0.0, 2]])
    assert text_similarity(one, one) == pytest.approx(1)
    assert text_similarity(one, other) == 0
    assert text_similarity(one, np.array([[5.0, 5]])) == pytest.approx(0.5**0.5)


def test_tasks_are_compared_parameter_by_parameter() -> None:
    one = {"a": np.array([1.0, 0]), "b": np.array([0.0, 1000]), "unused": np.zeros(2)}
    other = {"a": np.array([1.0, 0]), "b": np.array([1.0, 0]), "unused": np.ones(2)}
    assert task_similarity(one, one) == pytest.approx(1)
    assert task_similarity(one, other) == pytest.approx(0.5), "whatever the size of each"
