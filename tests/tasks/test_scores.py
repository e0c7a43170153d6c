import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_squared_error

from tlbench.config.schema import Loss, Source, Task
from tlbench.tasks.kinds import KINDS, kind_of
from tlbench.tasks.scores import collapsed, compute, diverged, majority_score

REGRESSION = tuple(KINDS["regression"].metrics)


def task(labels: int | None, metrics: tuple[str, ...], score: tuple[str, ...] = ()) -> Task:
    names = None if labels is None else [f"c{i}" for i in range(labels)]
    return Task("t", names, list(score or metrics[:1]), list(metrics), Source("generated"))


@given(
    st.integers(2, 300),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 1.7e9, -(2.0**40)]),
    st.sampled_from([1e-9, 1.0, 1e12]),
)
def test_regression_metrics_are_scipys(rows: int, seed: int, start: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    predictions, numbers = rng.normal(2, 3, rows).round(1), rng.integers(6, size=rows)
    numbers[:2], predictions[:2] = (0, 5), (1, 2)
    labels = start + numbers if scale == 1 else scale * numbers
    found = compute(task(None, REGRESSION), torch.tensor(predictions), torch.tensor(labels))
    assert found["pearson"] == pytest.approx(pearsonr(predictions, labels).statistic, abs=1e-9)
    assert found["spearman"] == pytest.approx(spearmanr(predictions, labels).statistic, abs=1e-9)
    assert found["mse"] == pytest.approx(mean_squared_error(labels, predictions), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_a_correlation_is_the_same_at_every_scale(scale: float) -> None:
    predictions, labels = torch.tensor([1.0, 3, 2, 5]).double(), torch.tensor([2.0, 3, 4, 9])
    expected = compute(task(None, ("pearson",)), predictions, labels)["pearson"]
    for pair in ((scale * predictions, labels), (predictions, scale * labels.double())):
        assert compute(task(None, ("pearson",)), *pair)["pearson"] == pytest.approx(expected)


def test_ranks_of_many_equal_numbers() -> None:
    labels = torch.arange(3.0).repeat_interleave(torch.tensor([70_000, 30_000, 100_000]))
    predictions = labels.roll(20_000)
    expected = spearmanr(predictions, labels).statistic
    assert compute(task(None, ("spearman",)), predictions, labels)["spearman"] == pytest.approx(
        expected
    )


def test_the_score_is_the_mean_of_those_named() -> None:
    predictions, labels = torch.tensor([1, 1, 0, 1]), torch.tensor([1.0, 0.0, 0.0, 1.0])
    found = compute(
        task(2, ("accuracy", "f1", "matthews"), ("accuracy", "f1")), predictions, labels
    )
    assert found["score"] == pytest.approx((0.75 + 0.8) / 2)


CONSTANT = torch.ones(4).long()


@pytest.mark.parametrize(
    ("labels", "metric"), [(2, "matthews"), (3, "matthews"), (None, "pearson"), (None, "spearman")]
)
def test_a_correlation_of_a_constant_prediction_is_0(labels: int | None, metric: str) -> None:
    wanted = task(labels, (metric,))
    various = torch.arange(4) % (labels or 4)
    assert compute(wanted, CONSTANT, various) == {metric: 0, "score": 0}
    # Whatever is predicted, labels that are all the same define none.
    for predictions in (CONSTANT, various):
        assert all(map(math.isnan, compute(wanted, predictions, CONSTANT).values()))


def test_a_score_of_a_correlation_and_another_metric_counts_the_0() -> None:
    both = ("matthews", "accuracy")
    assert compute(task(2, both, both), CONSTANT, torch.arange(4) % 2)["score"] == 0.25


@pytest.mark.parametrize(
    ("labels", "logits", "expected"),
    [
        (2, [[0.1, 0.9], [2.0, 3.0]], True),
        (2, [[0.1, 0.9], [3.0, 2.0]], False),
        (2, [[0.1, 0.9]], False),  # one row says nothing
        (None, [[4.0], [4.0]], True),
        (None, [[4.0], [4.000001]], True),  # the last digit of 32 bits, as in another batch
        (None, [[4.0], [4.00001]], False),
        (None, [[-1.7e9], [-1.7e9 + 4096]], False),
        (None, [[0.0], [1e-30]], False),
    ],
)
def test_a_model_that_predicts_one_thing_has_collapsed(
    labels: int | None, logits: list[list[float]], expected: bool
) -> None:
    wanted, found = task(labels, ("mse",)), torch.tensor(logits)
    assert collapsed(wanted, found) == expected
    assert (len(kind_of(wanted).predict(found).unique()) == 1) == (expected or len(logits) == 1)


@pytest.mark.parametrize(
    ("score", "logits", "expected"),
    [
        (("auroc",), [[0.1, 0.9], [2.0, 2.8]], True),
        (("auroc",), [[0.1, 0.9], [2.0, 2.800001]], True),  # the last digit of 32 bits
        (("auroc",), [[0.1, 0.9], [2.0, 5.0]], False),  # one class, and in an order
        (("auroc", "average_precision"), [[0.1, 0.9], [2.0, 5.0]], False),
        (("accuracy", "auroc"), [[0.1, 0.9], [2.0, 5.0]], True),
    ],
)
def test_one_class_for_all_rows_is_no_collapse_where_their_order_is_scored(
    score: tuple[str, ...], logits: list[list[float]], expected: bool
) -> None:
    assert collapsed(task(2, score, score), torch.tensor(logits)) == expected


def test_f1_is_defined_where_its_class_is_there_or_predicted() -> None:
    none, some = torch.zeros(3).long(), torch.tensor([0, 1, 0])
    both = [compute(task(2, ("f1",)), *pair)["f1"] for pair in ((none, some), (some, none))]
    assert both == [0.0, 0.0]
    assert math.isnan(compute(task(2, ("f1",)), none, none)["f1"])


LOGITS = torch.tensor([[0.1, 0.9], [2.0, -1.0]])


@pytest.mark.parametrize(
    ("labels", "logits", "lost"),
    [
        (2, LOGITS, False),
        (2, LOGITS * 40, False),  # sure of itself and wrong
        (2, LOGITS * 1e3, True),
        (2, torch.full((2, 2), math.nan), True),
        (2, LOGITS * math.inf, True),
        (None, torch.tensor([[3.0], [14.0]]), False),
        (None, torch.tensor([[3.0], [400.0]]), True),
        (None, torch.tensor([[3.0], [-math.inf]]), True),
    ],
)
def test_logits_that_a_training_which_has_diverged_leaves(
    labels: int | None, logits: torch.Tensor, lost: bool
) -> None:
    assert diverged(task(labels, ("mse",)), logits, torch.tensor([0.0, 1.0])) == lost


def test_labels_of_any_size_are_no_divergence() -> None:
    fresh = torch.tensor([[0.5], [-0.5]])
    for labels in ([3e8, 1e6], [1e-9, 0.0]):
        assert not diverged(task(None, ("mse",)), fresh, torch.tensor(labels))


def test_what_a_loss_weighs_is_no_divergence() -> None:
    heavy = task(2, ("accuracy",))
    heavy.loss = Loss(class_weights=[1e6, 1.0])
    assert not diverged(heavy, LOGITS, torch.tensor([0.0, 1.0]))
    assert diverged(heavy, LOGITS * 1e3, torch.tensor([0.0, 1.0]))


def test_the_constant_prediction_of_a_ranking_has_the_shares_of_train() -> None:
    train, dev = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    for metric, expected in (("auroc", 0.5), ("average_precision", 0.25)):
        assert majority_score(task(2, (metric,)), train, dev) == expected
    assert math.isnan(majority_score(task(2, ("auroc",)), train, torch.zeros(4)))


def test_majority_score() -> None:
    train = torch.tensor([1.0, 1.0, 0.0])
    assert majority_score(task(2, ("accuracy",)), train, torch.tensor([1.0, 0.0, 0.0, 0.0])) == 0.25
    assert majority_score(task(None, ("spearman",)), train, torch.arange(4.0)) == 0
    assert math.isnan(majority_score(task(None, ("spearman",)), train, torch.ones(4)))


def test_predictions_from_logits() -> None:
    logits = torch.tensor([[0.1, 0.9], [2.0, -1.0]])
    assert kind_of(task(2, ("accuracy",))).predict(logits).tolist() == [1, 0]
    assert kind_of(task(None, ("mse",))).predict(logits[:, :1]).tolist() == pytest.approx(
        [0.1, 2.0]
    )
