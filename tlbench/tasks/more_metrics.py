"""Metrics that a task's YAML makes of classes of torchmetrics, beside those of its kind."""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from tlbench.config.dotted import imported_class, made_by
from tlbench.config.validation import NAME, NAME_RULE
from tlbench.errors import UserError
from tlbench.tasks.base import Metric, TaskKind
from tlbench.tasks.kinds import KINDS
from tlbench.tasks.worst_group import is_worst

if TYPE_CHECKING:
    import torchmetrics
    from torch import Tensor


def metrics_of(kind: TaskKind) -> Mapping[str, Metric]:
    """Return what a task may name: the metrics of its kind and of its ``more_metrics``.

    Raises:
        UserError: if one of the latter can't be made.
    """
    given = kind.task.more_metrics
    return {**kind.metrics, **{name: _metric(kind, name, given[name]) for name in given}}


def check_more_metrics(kind: TaskKind) -> None:
    """Refuse what has a metric's name already, or gives no number for rows of the task.

    Raises:
        UserError: naming the entry to change.
    """
    for name, metric in metrics_of(kind).items():
        if name not in kind.task.more_metrics:
            continue
        where = _where(kind, name)
        if not re.fullmatch(NAME, name):
            raise UserError(f"Change {where}: {NAME_RULE}.")
        # Of other kinds too: reports compute what has such a name from what is saved.
        taken = {"score", *kind.metrics}.union(*(one.metrics for one in KINDS.values()))
        if name in taken or is_worst(name):
            raise UserError(f"Change {where}: '{name}' is there already; call yours otherwise.")
        try:
            _try(kind, metric)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(
                f"Change {where}: it gives no number for rows of {kind.outputs} outputs ({reason})."
            ) from error


def _where(kind: TaskKind, name: str) -> str:
    return f"more_metrics.{name} of task '{kind.task.name}'"


def _metric(kind: TaskKind, name: str, options: Any) -> Metric:
    where = _where(kind, name)
    if not isinstance(options, dict) or not isinstance(options.get("_target_"), str):
        raise UserError(f"Change {where}: give it a _target_, a class of torchmetrics.")
    made = _made(json.dumps(options, sort_keys=True), where)
    import torch

    sample = torch.zeros(1, kind.outputs)
    return Metric(
        _Computed(made),
        of_probabilities=kind.probabilities(sample) is not None,
        less_is_better=made.higher_is_better is not True,
    )


@cache  # a sweep asks thousands of times for the same task
def _made(text: str, where: str) -> "torchmetrics.Metric":
    from torchmetrics import Metric as OfTorchmetrics

    options = json.loads(text)
    target = options.pop("_target_")
    make = imported_class(target, OfTorchmetrics, f"{where}, its _target_")
    made: OfTorchmetrics = made_by(make, target, where, **options)
    # Every rank has all rows, and the first computes alone.
    made.distributed_available_fn = lambda: False
    return made


@dataclass(frozen=True)
class _Computed:
    """Computes a metric of torchmetrics of all rows at once."""

    metric: "torchmetrics.Metric"

    def __call__(self, said: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
        """Return the metric of predictions, (rows,), or probabilities, (rows, outputs).

        Its classes for two classes, ``Binary...``, get the probability of the second, (rows,).
        """
        if said.ndim == 2:
            said = said[:, 1] if type(self.metric).__name__.startswith("Binary") else said
            labels = labels.long()
        self.metric.reset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on classes without rows, at every evaluation
            self.metric.update(said, labels)
            value: Tensor = self.metric.compute()
        self.metric.reset()
        return value


def _try(kind: TaskKind, metric: Metric) -> None:
    """Compute a metric of a few rows of any task of the kind: of every class, or of five numbers.

    Raises:
        Exception: whatever it does, or if it is no single number.
    """
    import torch

    # A shift of a row changes no probability, and numbers have to differ.
    logits = torch.eye(kind.outputs).repeat(5, 1) + torch.arange(5.0 * kind.outputs)[:, None]
    said = kind.probabilities(logits) if metric.of_probabilities else kind.predict(logits)
    assert said is not None
    labels = kind.predict(logits.flip(0)).double()
    float(metric.compute(*kind.for_metrics(said, labels), kind.outputs))
