import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tlbench.analysis.bootstrap_ranks import auroc, average_precision

DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(3, size=80).astype(float)
# Of one digit, so that many rows are tied.
SAID = DRAW.dirichlet((1, 1, 1), size=(2, 80)).round(1)
DRAWN = DRAW.integers(80, size=(4, 80))
WEIGHTS = np.array([np.bincount(rows, minlength=80) for rows in DRAWN], float)


@pytest.mark.parametrize(
    ("metric", "expected"), [(auroc, roc_auc_score), (average_precision, average_precision_score)]
)
@pytest.mark.parametrize("classes", [[1], [0, 1, 2]])
def test_weighted_rankings_are_scikit_learns_of_the_drawn_rows(metric, expected, classes) -> None:  # type: ignore[no-untyped-def]
    direct = [
        [
            np.mean([expected(LABELS[rows] == at, said[rows, at]) for at in classes])
            for rows in DRAWN
        ]
        for said in SAID
    ]
    assert metric(LABELS, SAID, WEIGHTS, classes) == pytest.approx(np.array(direct))


@pytest.mark.parametrize("metric", [auroc, average_precision])
def test_a_class_without_a_drawn_row_has_no_part(metric) -> None:  # type: ignore[no-untyped-def]
    weights = WEIGHTS * (LABELS != 2)
    every = metric(LABELS, SAID, weights, [0, 1, 2])
    assert every == pytest.approx(metric(LABELS, SAID, weights, [0, 1]))
    assert not np.isnan(every).any()


def test_one_class_alone_can_not_be_ranked() -> None:
    weights = WEIGHTS * (LABELS == 2)
    assert np.isnan(auroc(LABELS, SAID, weights, [0, 1, 2])).all()
    assert average_precision(LABELS, SAID, weights, [0, 1, 2]) == pytest.approx(np.ones((2, 4)))
    assert np.isnan(average_precision(LABELS, SAID, weights, [1])).all()
