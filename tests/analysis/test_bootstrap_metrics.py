import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from tlbench.analysis.bootstrap_metrics import Said, score

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
        ("weighted_f1", lambda y, p: metrics.f1_score(y, p, average="weighted")),
        ("micro_f1", lambda y, p: metrics.f1_score(y, p, average="micro")),
        ("balanced_accuracy", metrics.balanced_accuracy_score),
        ("matthews", metrics.matthews_corrcoef),
        ("pearson", lambda y, p: stats.pearsonr(y, p).statistic),
        ("spearman", lambda y, p: stats.spearmanr(y, p).statistic),
        ("mse", metrics.mean_squared_error),
    ],
)
def test_weighted_metrics_are_those_of_the_drawn_rows(name: str, expected) -> None:  # type: ignore[no-untyped-def]
    labels, predictions = (LABELS > 0, PREDICTIONS > 0) if name == "f1" else (LABELS, PREDICTIONS)
    scores = score(name, Said(labels * 1.0, predictions * 1.0), WEIGHTS)
    direct = [[expected(labels[rows] * 1.0, p[rows] * 1.0) for rows in DRAWN] for p in predictions]
    assert scores == pytest.approx(np.array(direct))


@pytest.mark.parametrize("name", ["matthews", "f1", "pearson", "spearman"])
def test_what_is_not_defined_on_the_drawn_rows_is_not_a_number(name: str) -> None:
    labels, predictions = np.array([0.0, 0, 0, 1]), np.array([[0.0, 0, 0, 1]])
    scores = score(name, Said(labels, predictions), np.array([[1.0, 2, 1, 0], [1, 1, 1, 1]]))
    assert scores == pytest.approx(np.array([[np.nan, 1.0]]), nan_ok=True)


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_a_correlation_is_0_where_the_drawn_predictions_are_all_the_same(name: str) -> None:
    labels, predictions = np.array([0.0, 1, 0, 1]), np.array([[1.1, 1.1, 1.1, 0.3], [1.1] * 4])
    weights = np.array([[1.0, 2, 1, 0], [1, 1, 1, 1], [1, 0, 3, 0]])
    if name == "matthews":
        predictions = np.round(predictions)
    scores = score(name, Said(labels, predictions), weights)
    assert scores[:, 2] == pytest.approx([np.nan] * 2, nan_ok=True)
    assert list(scores[1, :2]) == [0, 0]
    assert (scores[0, 0], scores[0, 1] < -0.5) == (0, True)


@pytest.mark.parametrize(("start", "scale"), [(1.7e9, 1.0), (0.0, 1e-200), (0.0, 1e200)])
def test_weighted_correlations_of_any_numbers(start: float, scale: float) -> None:
    expected = score("pearson", Said(LABELS, PREDICTIONS), WEIGHTS)
    scores = score("pearson", Said(start + scale * LABELS, start + scale * PREDICTIONS), WEIGHTS)
    assert scores == pytest.approx(expected)


def test_a_score_of_two_metrics_is_their_mean() -> None:
    both = score("accuracy+matthews", Said(LABELS, PREDICTIONS), WEIGHTS)
    said = Said(LABELS, PREDICTIONS)
    each = [score(name, said, WEIGHTS) for name in ("accuracy", "matthews")]
    assert both == pytest.approx(np.mean(each, axis=0))


def test_f1_is_of_the_class_that_is_said() -> None:
    binary = Said((LABELS > 0) * 1.0, (PREDICTIONS > 0) * 1.0, positive=0)
    of_others = Said((LABELS == 0) * 1.0, (PREDICTIONS == 0) * 1.0)
    assert score("f1", binary, WEIGHTS) == pytest.approx(score("f1", of_others, WEIGHTS))


def test_a_class_that_is_not_drawn_has_no_part_in_means_over_classes() -> None:
    said = Said(np.array([0.0, 0, 1, 2]), np.array([[0.0, 1, 1, 1]]))
    drawn = np.array([[2.0, 1, 1, 0]])  # recalls 2/3 and 1; F1 4/5 of three rows and 2/3 of one
    assert score("balanced_accuracy", said, drawn)[0, 0] == pytest.approx(5 / 6)
    assert score("weighted_f1", said, drawn)[0, 0] == pytest.approx((3 * 4 / 5 + 2 / 3) / 4)


@pytest.mark.parametrize(("name", "best"), [("auroc", 1.0), ("average_precision", 1.0)])
def test_rankings_are_of_the_positive_class_of_two(name: str, best: float) -> None:
    labels = np.array([0.0, 0, 1, 1])
    of_second = np.array([0.1, 0.2, 0.3, 0.4])
    probabilities = np.stack([1 - of_second, of_second], axis=1)[None]
    predictions, weights = np.zeros((1, 4)), np.ones((1, 4))
    for positive in (0, 1):
        said = Said(labels, predictions, probabilities, positive)
        assert score(name, said, weights)[0, 0] == best
    swapped = Said(1 - labels, predictions, probabilities)
    assert score(name, swapped, weights)[0, 0] < 0.5
