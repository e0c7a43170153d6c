import math

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch.nn.functional import cross_entropy

from tlbench.config.schema import Loss, Source, Task
from tlbench.errors import UserError
from tlbench.tasks.class_loss import balanced_weights, class_losses
from tlbench.tasks.definition import check_task
from tlbench.tasks.kinds import kind_of

LOGITS = torch.tensor([[math.log(0.7), math.log(0.2), math.log(0.1)]]).repeat(3, 1)
LABELS = torch.tensor([0.0, 1.0, 2.0])
P = np.array([0.7, 0.2, 0.1])
W = [1.0, 2.0, 4.0]


def task(loss: Loss, labels: list[str] | None = None) -> Task:
    return Task("t", labels or ["a", "b", "c"], ["f"], ["f"], Source("generated"), loss=loss)


def losses(loss: Loss, weights: list[float] | None = None) -> list[float]:
    return class_losses(LOGITS, LABELS, loss, weights).tolist()


def test_nothing_asked_for_is_cross_entropy_to_the_last_bit() -> None:
    logits, labels = torch.randn(50, 3), torch.randint(3, (50,))
    plain = cross_entropy(logits, labels, reduction="none")
    assert torch.equal(kind_of(task(Loss())).losses(logits, labels.float()), plain)


def test_each_part_alone() -> None:
    assert losses(Loss(), W) == pytest.approx(list(W * -np.log(P)))
    # Lin et al. 2017, equation 4.
    assert losses(Loss(focal=2.0)) == pytest.approx(list((1 - P) ** 2 * -np.log(P)))
    smoothed = 0.9 * -np.log(P) + 0.1 * -np.log(P).mean()
    assert losses(Loss(label_smoothing=0.1)) == pytest.approx(list(smoothed))


def test_all_parts_together() -> None:
    # Equation 5, where alpha is the weight of the class.
    assert losses(Loss(focal=2.0), W) == pytest.approx(list(W * (1 - P) ** 2 * -np.log(P)))
    spread = 0.1 * (W * -np.log(P)).mean()
    expected = (1 - P) ** 0.5 * (0.9 * np.array(W) * -np.log(P) + spread)
    assert losses(Loss(focal=0.5, label_smoothing=0.1), W) == pytest.approx(list(expected))


def test_a_focal_loss_has_a_finite_gradient_of_rows_that_are_surely_right() -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 0.0]], requires_grad=True)
    class_losses(logits, torch.zeros(2), Loss(focal=0.5), None).sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_balanced_weights_are_scikit_learns_of_the_classes_that_have_rows() -> None:
    labels = torch.tensor([0.0] * 6 + [1.0] * 3 + [3.0])
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels.numpy())
    assert balanced_weights(labels, 4) == pytest.approx([*expected[:2], 0.0, expected[2]])


def test_balanced_is_of_the_train_rows_that_are_seen() -> None:
    kind = kind_of(task(Loss(class_weights="balanced")))
    kind.see_train(torch.tensor([0.0, 0.0, 1.0, 2.0]))
    expected = [weight * -math.log(p) for weight, p in zip((2 / 3, 4 / 3, 4 / 3), P, strict=True)]
    assert kind.losses(LOGITS, LABELS).tolist() == pytest.approx(expected)
    given = kind_of(task(Loss(class_weights=W)))
    given.see_train(torch.tensor([0.0, 0.0, 1.0, 2.0]))
    assert given.losses(LOGITS, LABELS).tolist() == pytest.approx(losses(Loss(), W))


@pytest.mark.parametrize("weights", [[1.0, 2.0], [1.0, 0.0, 2.0], [1.0, math.nan, 2.0], []])
def test_weights_are_a_positive_number_for_each_label(weights: list[float]) -> None:
    wrong = task(Loss(class_weights=weights))
    wrong.score, wrong.metrics = ["accuracy"], ["accuracy"]
    with pytest.raises(UserError, match=r"Change loss.class_weights of task 't': .* 3 labels"):
        check_task(wrong)


@pytest.mark.parametrize(
    ("loss", "key"),
    [
        (Loss(class_weights="balanced"), "class_weights"),
        (Loss(label_smoothing=0.1), "label_smoothing"),
        (Loss(focal=2.0), "focal"),
    ],
)
def test_a_regression_has_no_such_loss(loss: Loss, key: str) -> None:
    numbers = Task("t", None, ["pearson"], ["pearson"], Source("generated"), loss=loss)
    with pytest.raises(UserError, match=f"Change loss.{key} of task 't' to null: it is of class"):
        check_task(numbers)
