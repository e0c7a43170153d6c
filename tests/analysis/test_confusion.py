import numpy as np
import pytest
from sklearn import metrics

from tlbench.analysis.confusion import Calibration, Confusion, errors_of
from tlbench.records.predictions import Saved

DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(3, size=200)
RUNS = [np.where(DRAW.uniform(size=200) < 0.6, LABELS, DRAW.integers(3, size=200)) for _ in "abc"]
NAMES = ["a", "b", "c"]


def saved(labels: object, *runs: object) -> list[Saved]:
    rows = np.arange(len(np.array(labels)))
    return [Saved(rows, np.array(labels, float), np.array(run, float)) for run in runs]


def test_a_confusion_is_the_mean_over_seeds_of_what_scikit_learn_gives() -> None:
    errors = errors_of(saved(LABELS, *RUNS), NAMES)
    assert isinstance(errors, Confusion)
    each = [metrics.precision_recall_fscore_support(LABELS, run) for run in RUNS]
    for at, found in enumerate((errors.precision, errors.recall, errors.f1)):
        assert found == pytest.approx(np.mean([one[at] for one in each], axis=0))
    matrices = [metrics.confusion_matrix(LABELS, run, normalize="true") for run in RUNS]
    assert errors.shares == pytest.approx(np.mean(matrices, axis=0))
    assert errors.rows.tolist() == np.bincount(LABELS).tolist()
    assert errors.seeds == 3


def test_a_class_that_is_never_predicted_has_a_precision_of_0() -> None:
    errors = errors_of(saved([0, 1], [0, 0]), NAMES[:2])
    assert isinstance(errors, Confusion)
    assert errors.precision.tolist() == [0.5, 0.0]
    assert errors.recall.tolist() == [1.0, 0.0]
    assert errors.f1.tolist() == pytest.approx([2 / 3, 0])


def test_a_class_without_a_row_has_no_recall() -> None:
    errors = errors_of(saved([0, 1], [0, 2]), NAMES)
    assert isinstance(errors, Confusion)
    assert np.isnan([errors.recall[2], errors.f1[2], errors.shares[2, 0]]).all()
    assert errors.precision[2] == 0


def test_numbers_are_compared_with_the_mean_prediction_of_a_row() -> None:
    labels = np.linspace(0, 5, 40)
    errors = errors_of(saved(labels, labels + 1, labels - 3), None)
    assert isinstance(errors, Calibration)
    assert errors.predictions == pytest.approx(labels - 1)
    assert errors.error == pytest.approx(2)  # of 1 and 3
    assert len(errors.bin_labels) == 10
    assert errors.bin_labels - errors.bin_predictions == pytest.approx(1)
