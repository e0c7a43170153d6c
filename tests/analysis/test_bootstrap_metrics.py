import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tlbench.analysis import bootstrap_metrics

DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(3, size=60).astype(float)
PREDICTIONS = np.where(DRAW.uniform(size=(2, 60)) < 0.6, LABELS, DRAW.integers(3, size=(2, 60)))
DRAWN = DRAW.integers(60, size=(4, 60))
WEIGHTS = np.array([np.bincount(rows, minlength=60) for rows in DRAWN], float)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", metrics.accuracy_score),
        ("f1", lambda y, p: metrics.f1_score(y > 0.5, p > 0.5)),
        ("macro_f1", lambda y, p: metrics.f1_score(y, p, average="macro")),
        ("matthews", metrics.matthews_corrcoef),
        ("pearson", lambda y, p: stats.pearsonr(y, p).statistic),
        ("spearman", lambda y, p: stats.spearmanr(y, p).statistic),
        ("mse", metrics.mean_squared_error),
    ],
)
def test_weighted_metrics_are_those_of_the_drawn_rows(name: str, expected) -> None:  # type: ignore[no-untyped-def]
    labels, predictions = (LABELS > 0, PREDICTIONS > 0) if name == "f1" else (LABELS, PREDICTIONS)
    scores = bootstrap_metrics.score(name, labels.astype(float), predictions.astype(float), WEIGHTS)
    direct = [[expected(labels[rows] * 1.0, p[rows] * 1.0) for rows in DRAWN] for p in predictions]
    assert scores == pytest.approx(np.array(direct))


@pytest.mark.parametrize("name", ["matthews", "f1", "pearson", "spearman"])
def test_what_is_not_defined_on_the_drawn_rows_is_not_a_number(name: str) -> None:
    labels, predictions = np.array([0.0, 0, 0, 1]), np.array([[0.0, 0, 0, 1]])
    scores = bootstrap_metrics.score(
        name, labels, predictions, np.array([[1.0, 2, 1, 0], [1, 1, 1, 1]])
    )
    assert scores == pytest.approx(np.array([[np.nan, 1.0]]), nan_ok=True)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_a_correlation_is_0_where_the_drawn_predictions_are_all_the_same(name: str) -> None:
    labels, predictions = np.array([0.0, 1, 0, 1]), np.array([[1.1, 1.1, 1.1, 0.3], [1.1] * 4])
    weights = np.array([[1.0, 2, 1, 0], [1, 1, 1, 1], [1, 0, 3, 0]])
    if name == "matthews":
        predictions = np.round(predictions)
    scores = bootstrap_metrics.score(name, labels, predictions, weights)
    assert scores[:, 2] == pytest.approx([np.nan] * 2, nan_ok=True)
    assert list(scores[1, :2]) == [0, 0]
    assert (scores[0, 0], scores[0, 1] < -0.5) == (0, True)


@pytest.mark.parametrize(("start", "scale"), [(1.7e9, 1.0), (0.0, 1e-200), (0.0, 1e200)])
def test_weighted_correlations_of_any_numbers(start: float, scale: float) -> None:
    expected = bootstrap_metrics.score("pearson", LABELS, PREDICTIONS, WEIGHTS)
    scores = bootstrap_metrics.score(
        "pearson", start + scale * LABELS, start + scale * PREDICTIONS, WEIGHTS
    )
    assert scores == pytest.approx(expected)


def test_a_score_of_two_metrics_is_their_mean() -> None:
    both = bootstrap_metrics.score("accuracy+matthews", LABELS, PREDICTIONS, WEIGHTS)
    each = [
        bootstrap_metrics.score(name, LABELS, PREDICTIONS, WEIGHTS)
        for name in ("accuracy", "matthews")
    ]
    assert both == pytest.approx(np.mean(each, axis=0))
