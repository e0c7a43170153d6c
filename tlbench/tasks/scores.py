"""A task's metrics from its logits, and what they are worth: chance level, collapse, divergence."""

import math
from typing import TYPE_CHECKING

from tlbench.config.schema import Task
from tlbench.tasks.kinds import kind_of

if TYPE_CHECKING:
    from torch import Tensor

EXPLODED = 100  # times the loss at chance level


def compute(task: Task, predictions: "Tensor", labels: "Tensor") -> dict[str, float]:
    """Return the task's metrics as fractions, and ``score``: the mean of those in its ``score``.

    A correlation (Matthews', Pearson's, Spearman's) of a constant prediction is 0, which is what
    the prediction is worth and what scikit-learn says for Matthews. NaN, for not defined, is what
    no prediction could mend: a correlation where all labels are the same, F1 where its class is
    neither there nor predicted (predicted, it is 0).

    Args:
        predictions: (rows,), as the kind of the task predicts them.
        labels: (rows,); those of a regression in float64, or digits are lost.
    """
    kind = kind_of(task)
    values = {}
    for name in task.metrics:
        metric = kind.metrics[name]
        if metric.is_correlation and _is_constant(labels):
            values[name] = math.nan
        elif metric.is_correlation and _is_constant(predictions):
            values[name] = 0.0
        else:
            values[name] = float(metric.compute(predictions, labels, kind.outputs))
    return {**values, "score": sum(values[name] for name in task.score) / len(task.score)}


def evaluate(task: Task, logits: "Tensor", labels: "Tensor") -> dict[str, float]:
    """Return what ``compute`` does of the predictions from logits, (rows, outputs).

    All are NaN where a logit is not finite: the largest of NaNs is the first class, which would
    have a score.
    """
    if not logits.isfinite().all():
        return dict.fromkeys((*task.metrics, "score"), math.nan)
    return compute(task, kind_of(task).predict(logits), labels)


def majority_score(task: Task, train_labels: "Tensor", labels: "Tensor") -> float:
    """Return the score of the constant prediction that is best for the train rows."""
    constant = kind_of(task).constant(train_labels)
    return compute(task, constant.expand(len(labels)), labels)["score"]


def collapsed(task: Task, logits: "Tensor") -> bool:
    """Whether rows with these logits, (rows, outputs), two or more, all get one prediction."""
    return len(logits) > 1 and _is_constant(kind_of(task).predict(logits))


def diverged(task: Task, logits: "Tensor", labels: "Tensor") -> bool:
    """Whether the training that these logits, (rows, outputs), come from has diverged.

    They are not finite, or their mean loss is ``EXPLODED`` times that of logits of 0: equal
    probabilities, or 0 in a regression. A loss or a gradient that is not finite leaves weights
    that are not, for good, so the next evaluation shows it and no step need wait for a look at its
    loss; the steps with infinite gradients that 16-bit training skips are no harm.
    """
    import torch

    if not logits.isfinite().all():
        return True
    kind = kind_of(task)
    at_chance = float(kind.losses(torch.zeros_like(logits), labels).mean())
    # At least 1: labels may be tiny numbers, and then a fresh head is far from them.
    return float(kind.losses(logits, labels).mean()) > EXPLODED * max(1.0, at_chance)


def _is_constant(values: "Tensor") -> bool:
    return bool((values == values[0]).all())
