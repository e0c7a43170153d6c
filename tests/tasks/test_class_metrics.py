import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn import metrics

from tlbench.config.schema import Source, Task
from tlbench.tasks.class_metrics import CLASS_METRICS
from tlbench.tasks.scores import evaluate


def task(classes: int, *names: str, positive: str | None = None) -> Task:
    labels = [f"c{i}" for i in range(classes)]
    return Task("t", labels, [names[0]], list(names), Source("generated"), positive=positive)


def measured(wanted: Task, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:  # type: ignore[type-arg]
    return evaluate(wanted, torch.tensor(logits), torch.tensor(labels).float())


def f1(labels, predictions, average: str) -> float:  # type: ignore[no-untyped-def]
    return float(metrics.f1_score(labels, predictions, average=average, zero_division=0))


@settings(max_examples=50)
@given(st.integers(2, 4), st.integers(2, 200), st.integers(0, 10**6))
def test_metrics_of_predictions_are_scikit_learns(classes: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(size=(rows, classes)), rng.integers(classes, size=rows)
    said = logits.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy_score(labels, said),
        "macro_f1": f1(labels, said, "macro"),
        "weighted_f1": f1(labels, said, "weighted"),
        "micro_f1": f1(labels, said, "micro"),
        "balanced_accuracy": metrics.recall_score(
            labels, said, labels=np.unique(labels), average="macro"
        ),
        "matthews": metrics.matthews_corrcoef(labels, said) if labels.std() else math.nan,
    }
    if classes == 2:
        has_any = said.any() or labels.any()
        expected["f1"] = f1(labels, said, "binary") if has_any else math.nan
    found = measured(task(classes, *expected), logits, labels)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


@settings(max_examples=50)
@given(st.integers(2, 4), st.integers(8, 200), st.integers(0, 10**6))
def test_metrics_of_probabilities_are_scikit_learns(classes: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(rows, classes)).round()  # so that some are tied
    labels = rng.permutation(np.arange(rows) % classes)
    p = torch.tensor(logits).softmax(dim=1).numpy()
    ranked = p[:, 1] if classes == 2 else p
    truth = labels if classes == 2 else np.eye(classes)[labels]
    found = measured(task(classes, "auroc", "average_precision", "log_loss"), logits, labels)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(truth, ranked), abs=1e-6)
    average_precision = metrics.average_precision_score(truth, ranked)
    assert found["average_precision"] == pytest.approx(average_precision, abs=1e-6)
    expected = metrics.log_loss(labels, p, labels=range(classes))
    assert found["log_loss"] == pytest.approx(expected, rel=1e-9)


def test_the_calibration_error_is_of_fifteen_bins_by_their_rows() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(500, 3)), rng.integers(3, size=500)
    p = softmax(logits, axis=1)
    sure, right = p.max(axis=1), p.argmax(axis=1) == labels
    bins = np.ceil(sure * 15)
    gaps = [
        (bins == at).mean() * abs(sure[bins == at].mean() - right[bins == at].mean())
        for at in np.unique(bins)
    ]
    found = measured(task(3, "calibration_error"), logits, labels)
    assert found["calibration_error"] == pytest.approx(sum(gaps), abs=1e-6)


def test_the_log_loss_of_a_probability_of_0_is_that_of_2_to_minus_52() -> None:
    found = measured(task(2, "log_loss"), np.array([[1e4, 0.0]]), np.array([1]))
    assert found["log_loss"] == pytest.approx(52 * math.log(2))


def test_the_positive_class_is_the_second_or_the_one_that_is_named() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(60, 2)), rng.integers(2, size=60)
    names = ("f1", "auroc", "average_precision", "matthews", "log_loss", "calibration_error")
    by_default = measured(task(2, *names), logits, labels)
    assert measured(task(2, *names, positive="c1"), logits, labels) == by_default
    first = measured(task(2, *names, positive="c0"), logits, labels)
    p = softmax(logits, axis=1)[:, 0]
    assert first["f1"] == pytest.approx(metrics.f1_score(labels == 0, p > 0.5), abs=1e-6)
    expected = metrics.average_precision_score(labels == 0, p)
    assert first["average_precision"] == pytest.approx(expected, abs=1e-6)
    assert first["f1"] != pytest.approx(by_default["f1"], abs=1e-3)
    assert first["average_precision"] != pytest.approx(by_default["average_precision"], abs=1e-3)
    for name in ("auroc", "matthews", "log_loss", "calibration_error"):  # of both classes alike
        assert first[name] == pytest.approx(by_default[name], abs=1e-6), name


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
def test_a_ranking_leaves_out_classes_without_a_row(name: str) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(40, 4)), rng.integers(3, size=40)
    p = softmax(logits, axis=1)
    one = metrics.roc_auc_score if name == "auroc" else metrics.average_precision_score
    expected = np.mean([one(labels == at, p[:, at]) for at in range(3)])
    assert measured(task(4, name), logits, labels)[name] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "classes", "label", "expected"),
    [
        ("auroc", 2, 1, math.nan),
        ("auroc", 3, 1, math.nan),
        ("average_precision", 2, 0, math.nan),
        ("average_precision", 2, 1, 1.0),
    ],
)
def test_rankings_of_rows_of_one_class(
    name: str, classes: int, label: int, expected: float
) -> None:
    logits = np.random.default_rng(0).normal(size=(5, classes))
    found = measured(task(classes, name), logits, np.full(5, label))
    assert found[name] == pytest.approx(expected, nan_ok=True)


def test_nothing_is_known_of_logits_that_are_not_finite() -> None:
    names = [name for name in CLASS_METRICS if name != "f1"]
    found = measured(task(3, *names), np.array([[0.0, 1.0, math.nan]]), np.array([1]))
    assert found.keys() == {*names, "score"}
    assert all(map(math.isnan, found.values()))
