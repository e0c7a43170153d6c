"""A task's metrics from its logits, and what they are worth: chance level, collapse, divergence."""

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from tlbench.config.schema import Loss, Task
from tlbench.tasks.kinds import ONE_PROBABILITY, kind_of, ranks
from tlbench.tasks.more_metrics import metrics_of
from tlbench.tasks.worst_group import base_of, with_worst

if TYPE_CHECKING:
    from torch import Tensor

EXPLODED = 100  # times the loss at chance level


Rows = Mapping[str, "Tensor"]  # by name of a group which rows are in it, (rows,), bool


def compute(
    task: Task,
    predictions: "Tensor",
    labels: "Tensor",
    probabilities: "Tensor | None" = None,
    groups: Rows = MappingProxyType({}),
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
        groups: of the rows, where a metric is of the worst of them.
    """
    whole = _values(task, predictions, labels, probabilities)
    by_group = _by_group(task, predictions, labels, probabilities, groups)
    return summed_up(task, whole, by_group)


def _values(
    task: Task, predictions: "Tensor", labels: "Tensor", probabilities: "Tensor | None"
) -> dict[str, float]:
    """Return by name the metrics of rows that those of the task are, or are the worst of."""
    kind = kind_of(task)
    metrics = metrics_of(kind)
    values = {}
    for name in dict.fromkeys(map(base_of, task.metrics)):
        metric = metrics[name]
        if metric.is_correlation and _is_constant(labels):
            values[name] = math.nan
        elif metric.is_correlation and _is_constant(predictions):
            values[name] = 0.0
        else:
            said = probabilities if metric.of_probabilities else predictions
            assert said is not None, name  # check_task has refused such kinds
            values[name] = float(metric.compute(*kind.for_metrics(said, labels), kind.outputs))
    return values


def _by_group(
    task: Task,
    predictions: "Tensor",
    labels: "Tensor",
    probabilities: "Tensor | None",
    groups: Rows,
) -> dict[str, dict[str, float]]:
    return {
        name: _values(
            task,
            predictions[rows],
            labels[rows],
            None if probabilities is None else probabilities[rows],
        )
        for name, rows in groups.items()
    }


def summed_up(
    task: Task, whole: Mapping[str, float], by_group: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """Return the task's metrics and ``score`` from those of all rows and of every group."""
    values = with_worst(task.metrics, whole, by_group, metrics_of(kind_of(task)))
    return {**values, "score": sum(values[name] for name in task.score) / len(task.score)}


def evaluate(
    task: Task, logits: "Tensor", labels: "Tensor", groups: Rows = MappingProxyType({})
) -> dict[str, float]:
    """Return what ``compute`` does of the predictions from logits, (rows, outputs).

    All are NaN where a logit is not finite: the largest of NaNs is the first class, which would
    have a score.
    """
    kind = kind_of(task)
    if not kind.of_heads(logits).isfinite().all():
        return dict.fromkeys((*task.metrics, "score"), math.nan)
    return compute(task, kind.predict(logits), labels, kind.probabilities(logits), groups)


def evaluate_rows(task: Task, logits: "Tensor", labels: "Tensor") -> dict[str, float]:
    """Return the metrics of all rows alone that those of the task are, or are the worst of.

    They are NaN where a logit, (rows, outputs), is not finite.
    """
    return evaluate_groups(task, logits, labels, {"": labels.new_ones(len(labels)).bool()})[""]


def evaluate_groups(
    task: Task, logits: "Tensor", labels: "Tensor", groups: Rows
) -> dict[str, dict[str, float]]:
    """Return by group what ``evaluate_rows`` does, of the predictions from logits of all rows."""
    kind = kind_of(task)
    if not kind.of_heads(logits).isfinite().all():
        return dict.fromkeys(groups, dict.fromkeys(map(base_of, task.metrics), math.nan))
    return _by_group(task, kind.predict(logits), labels, kind.probabilities(logits), groups)


def within(groups: Rows, rows: "Tensor") -> dict[str, "Tensor"]:
    """Return the groups of some of the rows, a mask (all rows,): those that have any of them."""
    return {name: of[rows] for name, of in groups.items() if of[rows].any()}


def majority_score(
    task: Task,
    train_labels: "Tensor",
    labels: "Tensor",
    groups: Rows = MappingProxyType({}),
) -> float:
    """Return the score of the constant prediction that is best for the train rows."""
    kind = kind_of(task)
    constant = kind.constant(train_labels)
    predictions = constant.expand(len(labels), *constant.shape)
    shares = kind.constant_probabilities(train_labels)
    probabilities = None if shares is None else shares.expand(len(labels), -1)
    return compute(task, predictions, labels, probabilities, groups)["score"]


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
