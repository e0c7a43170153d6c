"""Tasks whose rows each have any number of the labels, none too."""

import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from tlbench.errors import UserError
from tlbench.tasks.base import Label, Metric, TaskKind, ToLabel, unknown_label
from tlbench.tasks.multilabel_metrics import MULTILABEL_METRICS

if TYPE_CHECKING:
    from torch import Tensor

_FLAGS = {"0": 0.0, "false": 0.0, "0.0": 0.0, "1": 1.0, "true": 1.0, "1.0": 1.0}
_THRESHOLDS = [step / 20 for step in range(1, 20)]  # of which held-out rows choose
_ALL_SIZES = 16  # of constant predictions: up to so many labels every size is tried


class Multilabel(TaskKind):
    """Any number of the task's ``labels`` for each row, as 0 or 1 for each of them.

    The loss of a row is the mean over labels of binary cross-entropy. A sum, the likelihood of
    independent labels, would grow with their number: a task of a hundred labels would drown the
    others of a batch, and want another learning rate. The mean is log 2 of logits of 0, as that of
    a classification in two.

    Metrics are scikit-learn's: ``f1_score`` with the average ``micro`` or ``macro`` and
    ``zero_division=nan``, with ``samples`` and ``zero_division=1``, ``accuracy_score`` and
    ``hamming_loss``.
    """

    own_keys: ClassVar[tuple[str, ...]] = ("threshold", "source.separator", "source.label_columns")
    shared_head: ClassVar[str] = "multilabel"
    metrics: ClassVar[Mapping[str, Metric]] = MULTILABEL_METRICS

    def check(self) -> None:
        super().check()
        where = f"of task '{self.task.name}'"
        if self.outputs < 2:
            raise UserError(f"Change labels {where}: give two or more names.")
        self._check_source(where)
        if self.task.threshold == "held_out" and not self._names_of_score():
            raise UserError(
                f"Change threshold {where} to a number: held-out rows choose it by a score of "
                f"{', '.join(n for n, m in self.metrics.items() if not m.less_is_better)}."
            )

    def _check_source(self, where: str) -> None:
        source = self.task.source
        if source.label_columns is not None and source.label is not None:
            raise UserError(f"Leave out source.label {where}: source.label_columns is set.")
        for key in ("values", "label_columns"):
            names = getattr(source, key)
            if names is not None and not len(set(names)) == len(names) == self.outputs:
                raise UserError(
                    f"Change source.{key} {where}: give a different one for each of its labels."
                )
        if source.label_columns and (source.values or source.separator):
            key = "values" if source.values else "separator"
            raise UserError(f"Leave out source.{key} {where}: source.label_columns hold 0 or 1.")
        if source.separator == "":
            raise UserError(f"Change source.separator {where}: give one character or more.")
        for name in source.values or self.task.labels or []:
            if source.separator is not None and source.separator in name:
                raise UserError(f"Change source.separator {where}: it is a part of '{name}'.")

    @property
    def outputs(self) -> int:
        return len(self.task.labels or [])

    @property
    def label_length(self) -> int:  # type: ignore[override]
        """One number for each label."""
        return self.outputs

    def labeller(self) -> ToLabel:
        """Return what reads a list of names, a text of them, or a cell of 0 or 1 for each label."""
        return self._of_columns if self.task.source.label_columns else self._of_names()

    def _of_columns(self, raw: Any, where: str) -> Label:
        columns = self.task.source.label_columns or []
        flags = []
        for cell, column in zip(raw, columns, strict=True):
            if str(cell).lower() not in _FLAGS:
                raise UserError(
                    f"Change source.label_columns of task '{self.task.name}': {where} has "
                    f"{reprlib.repr(str(cell))} in column '{column}' where 0 or 1 belongs."
                )
            flags.append(_FLAGS[str(cell).lower()])
        return flags

    def _of_names(self) -> ToLabel:
        written = [str(value) for value in self.task.source.values or self.task.labels or []]

        def to_flags(raw: Any, where: str) -> Label:
            names = [str(name) for name in self._names(raw, where)]
            flags = len(names) == len(written) > len({*names})
            if flags and {name.lower() for name in names} <= _FLAGS.keys():
                belongs = "a list of names belongs; 0 or 1 of each label are read from a column"
                raise self._refused("label", f"{belongs} each, source.label_columns", where, names)
            for name in sorted({*names}.difference(written)):
                raise self._unknown(name, written, where)
            return [float(name in names) for name in written]

        return to_flags

    def _names(self, raw: Any, where: str) -> list[Any]:
        """Return the names in a cell: of a list, or of a text in which a separator is between."""
        source = self.task.source
        if isinstance(raw, str) and raw.startswith("[") and raw.endswith("]"):
            belongs = "no list as a text belongs: JSON lines and Parquet have lists, and in CSV a"
            raise self._refused("path", f"{belongs} separator is between two names", where, raw)
        is_text = isinstance(raw, str) and (source.separator is not None or not raw)
        names = raw.split(source.separator or None) if is_text else raw
        if not isinstance(names, list | tuple):
            raise UserError(
                f"Change source.label of task '{self.task.name}', or set source.separator to what "
                f"is between two labels: {where} has {reprlib.repr(raw)} where a list belongs."
            )
        if source.strip:
            names = [name.strip() if isinstance(name, str) else name for name in names]
        return [name for name in names if not (is_text and name == "")]  # of a last separator

    def _unknown(self, name: str, written: Sequence[str], where: str) -> UserError:
        separator = self.task.source.separator
        is_near = name.strip() not in written and any(known in name for known in written)
        if separator is not None and is_near:
            belongs = f"one of {', '.join(written)} belongs, between two '{separator}'"
            return self._refused("separator", belongs, where, name)
        return unknown_label(self.task, name, written, where)

    def _refused(self, key: str, belongs: str, where: str, raw: Any) -> UserError:
        return UserError(
            f"Change source.{key} of task '{self.task.name}': {where} has {reprlib.repr(raw)} "
            f"where {belongs}."
        )

    def losses(self, logits: "Tensor", labels: "Tensor") -> "Tensor":
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(
            logits.float(), labels.float(), reduction="none"
        ).mean(dim=1)

    def predict(self, logits: "Tensor") -> "Tensor":
        """Return 1 where a probability is at least the threshold, else 0; (rows, labels)."""
        return self._above(logits, self.threshold)

    def _above(self, logits: "Tensor", threshold: float) -> "Tensor":
        return (self.probabilities(logits) >= threshold).double()

    @property
    def threshold(self) -> float:
        """From what probability on a row has a label; 0.5 until held-out rows have chosen."""
        return 0.5 if self.task.threshold == "held_out" else float(self.task.threshold)

    def chosen_threshold(self, logits: "Tensor", labels: "Tensor") -> float | None:
        """Return the threshold of a score that is best on held-out rows; of equals, near 0.5.

        One for all labels: of a tenth of train a rare label has a row or two, and a threshold of
        its own would be fitted to those (Lipton et al. 2014, Optimal thresholding of classifiers
        to maximize F1 measure).
        """
        if self.task.threshold != "held_out":
            return None
        if not logits.isfinite().all():
            return self.threshold  # no row has a probability, and the training counts as diverged

        def score(threshold: float) -> float:
            return self._score(self._above(logits, threshold), labels)

        return max(sorted(_THRESHOLDS, key=lambda one: abs(one - 0.5)), key=score)

    def probabilities(self, logits: "Tensor") -> "Tensor":
        """Return the logistic function in float64, label by label."""
        return logits.double().sigmoid()

    def constant(self, labels: "Tensor") -> "Tensor":
        """Return the k most frequent labels, where k is best for the score on these rows."""
        order = labels.sum(dim=0).argsort(descending=True, stable=True)
        constants = []
        for size in _sizes(self.outputs):
            constant = labels.new_zeros(self.outputs)
            constant[order[:size]] = 1
            constants.append(constant)

        def score(constant: "Tensor") -> float:
            return self._score(constant.expand_as(labels), labels)

        return max(constants, key=score)

    def constant_probabilities(self, labels: "Tensor") -> "Tensor":
        """Return the part of the rows that has each label, (labels,)."""
        return labels.double().mean(dim=0)

    def _score(self, predictions: "Tensor", labels: "Tensor") -> float:
        """Return the mean of the score's metrics that are this kind's; -inf where not defined."""
        names = self._names_of_score() or ["micro_f1"]
        values = [self.metrics[name].compute(predictions, labels, self.outputs) for name in names]
        mean = sum(map(float, values)) / len(values)
        return -math.inf if math.isnan(mean) else mean

    def _names_of_score(self) -> Sequence[str]:
        return [name for name in self.task.score if name in self.metrics]


def _sizes(labels: int) -> list[int]:
    """Return how many labels constant predictions have: of many labels not every number."""
    sizes = [*range(min(labels, _ALL_SIZES) + 1)]
    while sizes[-1] < labels:
        sizes.append(min(2 * sizes[-1], labels))
    return sizes
