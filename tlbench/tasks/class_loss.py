"""The loss of a classification: cross-entropy, weighted, smoothed or focal where asked for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tlbench.config.schema import Loss, Task
from tlbench.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def class_losses(
    logits: "Tensor", labels: "Tensor", loss: Loss, weights: Sequence[float] | None
) -> "Tensor":
    """Return the loss of every row, (rows,), in float32.

    Of a row with label y, where p are the softmax probabilities, w the weights (1 without any), K
    the number of classes, e = ``label_smoothing`` and g = ``focal`` (0 without)::

        (1 - p_y)^g * ((1 - e) * w_y * -log p_y  +  e / K * sum over c of w_c * -log p_c)

    The second factor is torch's ``cross_entropy`` with ``weight`` and ``label_smoothing`` (Szegedy
    et al. 2016, section 7). With e = 0 the whole is the focal loss of Lin et al. 2017: equation 4
    without weights, and equation 5 with w as its alpha. Losses are not divided by the weights of a
    batch, so a row counts the same in whatever batch it is.

    Args:
        logits: (rows, classes).
        labels: (rows,), class indices.
        loss: of the task.
        weights: by class; None for 1.
    """
    import torch
    from torch.nn.functional import cross_entropy

    logits, labels = logits.float(), labels.long()
    by_class = None if weights is None else logits.new_tensor(weights)
    losses = cross_entropy(
        logits,
        labels,
        weight=by_class,
        reduction="none",
        label_smoothing=loss.label_smoothing or 0.0,
    )
    if loss.focal is None:
        return losses
    right = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    # Above 0, where a power below 1 has a slope: a row that is surely right then changes nothing.
    wrong = (1 - right).clamp(min=torch.finfo(right.dtype).tiny)
    return losses * wrong**loss.focal


def balanced_weights(labels: "Tensor", classes: int) -> list[float]:
    """Return n / (k n_c) by class, as scikit-learn's ``compute_class_weight`` has them.

    n is the number of rows, n_c that of a class, and k how many classes have any. A class without
    a row has the weight 0: no row of it is trained on, and label smoothing spreads nothing to it.

    Args:
        labels: of the train rows that are used, (rows,), class indices.
        classes: how many there may be.
    """
    counts = labels.long().bincount(minlength=classes).tolist()
    present = sum(count > 0 for count in counts)
    return [len(labels) / (present * count) if count else 0.0 for count in counts]


def check_loss(task: Task) -> None:
    """Refuse weights that are not one positive number a label.

    Raises:
        UserError: naming the key of the task to change.
    """
    weights, labels = task.loss.class_weights, task.labels or []
    if not isinstance(weights, list):
        return
    if len(weights) != len(labels) or not all(0 < weight < float("inf") for weight in weights):
        raise UserError(
            f"Change loss.class_weights of task '{task.name}': give a number above 0 for each of "
            f"its {len(labels)} labels, in their order, or balanced."
        )
