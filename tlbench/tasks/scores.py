"""A task's metrics from its logits, and what they are worth: chance level, collapse, divergence."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tlbench.config.schema import Loss, Task
from tlbench.tasks.kinds import ONE_PROBABILITY, kind_of, ranks
from tlbench.tasks.more_metrics import metrics_of

if TYPE_CHECKING:
    from torch import Tensor

EXPLODED = 100  # times the loss at chance level


def compute(
    task: Task, predictions: "Tensor", labels: "Tensor", probabilities: "Tensor | None" = None
) -> dict[str, float]:
    """Return the task's metrics as fractions, and ``score``: the mean of those in its ``score``.

    A correlation (Matthews', Pearson's, Spearman's) of a constant prediction is 0, which is what
    the prediction is worth and what scikit-learn says for Matthews. NaN, for not defined, is what
    no prediction could mend: a correlation where all labels are the same, F1 where its class is
    neither there nor predicted (predicted, it is 0), a ranking where all labels are the same.

    Args:
        predictions: (rows, ...), as the kind of the task predicts them.
        labels: (rows, ...); those of a regression in float64, or digits are lost.
        probabilities: (rows, outputs), if the kind has any.
    """
    kind = kind_of(task)
    metrics = metrics_of(kind)
    values = {}
    for name in task.metrics:
        metric = metrics[name]
        if metric.is_correlation and _is_constant(labels):
            values[name] = math.nan
        elif metric.is_correlation and _is_constant(predictions):
            values[name] = 0.0
        else:
            said = probabilities if metric.of_probabilities else predictions
            assert said is not None, name  # check_task has refused such kinds
            values[name] = float(metric.compute(*kind.for_metrics(said, labels), kind.outputs))
    return {**values, "score": sum(values[name] for name in task.score) / len(task.score)}


def evaluate(task: Task, logits: "Tensor", labels: "Tensor") -> dict[str, float]:
    """Return what ``compute`` does of the predictions from logits, (rows, outputs).

    All are NaN where a logit is not finite: the largest of NaNs is the first class, which would
    have a score.
    """
    kind = kind_of(task)
    if not kind.of_heads(logits).isfinite().all():
        return dict.fromkeys((*task.metrics, "score"), math.nan)
    return compute(task, kind.predict(logits), labels, kind.probabilities(logits))


def majority_score(task: Task, train_labels: "Tensor", labels: "Tensor") -> float:
    """Return the score of the constant prediction that is best for the train rows."""
    kind = kind_of(task)
    constant = kind.constant(train_labels)
    predictions = constant.expand(len(labels), *constant.shape)
    shares = kind.constant_probabilities(train_labels)
    probabilities = None if shares is None else shares.expand(len(labels), -1)
    return compute(task, predictions, labels, probabilities)["score"]


def collapsed(task: Task, logits: "Tensor") -> bool:
    """Whether rows with these logits, (rows, outputs), two or more, all get one prediction.

    Where the score is of their order alone (``kinds.ranks``): one probability of each class.
    """
    kind = kind_of(task)
    if len(logits) < 2:
        return False
    probabilities = kind.probabilities(logits) if ranks("+".join(task.score)) else None
    if probabilities is None:
        return _is_constant(kind.of_heads(kind.predict(logits)))
    span = probabilities.amax(dim=0) - probabilities.amin(dim=0)
    return bool((span <= ONE_PROBABILITY).all())


def diverged(task: Task, logits: "Tensor", labels: "Tensor") -> bool:
    """Whether the training that these logits, (rows, outputs), come from has diverged.

    They are not finite, or their mean loss is ``EXPLODED`` times that of logits of 0: equal
    probabilities, or 0 in a regression. A loss or a gradient that is not finite leaves weights
    that are not, for good, so the next evaluation shows it and no step need wait for a look at its
    loss; the steps with infinite gradients that 16-bit training skips are no harm. The loss is the
    kind's without what the task's ``loss`` changes, so that it means the same for all of them.
    """
    import torch

    kind = kind_of(replace(task, loss=Loss()))
    if not kind.of_heads(logits).isfinite().all():
        return True
    at_chance = kind.mean_loss(torch.zeros_like(logits), labels)
    # At least 1: labels may be tiny numbers, and then a fresh head is far from them.
    return kind.mean_loss(logits, labels) > EXPLODED * max(1.0, at_chance)


def _is_constant(values: "Tensor") -> bool:
    return bool((values == values[0]).all())
