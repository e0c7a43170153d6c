"""The metrics of words with tags, each from counts of rows; reports resample the same counts.

Of no metric the value over rows is a mean of theirs: entities and words of all rows are counted
together, as by seqeval, so that a long sentence counts more than a short one.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tlbench.tasks import entities
from tlbench.tasks.base import Metric

if TYPE_CHECKING:
    from torch import Tensor

# What is counted of a row: its words, those that get their tag, its entities, those that it is
# given, those of them that are right; and the one tag that all its words get, -1 if there is none.
COUNTS = ("words", "right", "true", "given", "hits", "one_tag")

Array = NDArray[np.float64]


def row_counts(
    tags: entities.Tags | None, predictions: NDArray[Any], labels: NDArray[Any]
) -> Array:
    """Return ``COUNTS`` of every row, (rows, 6).

    Args:
        tags: what the tags stand for; None where they are of no entities, which then are 0.
        predictions, labels: places of tags, (rows, words); below 0 not predicted, or no word.
    """
    there, predicted = labels >= 0, np.where(labels >= 0, predictions, -1)
    of_entities = np.zeros((len(labels), 3), np.int64)
    if tags is not None:
        of_entities = entities.counts(tags, labels, predicted)
    highest = predicted.max(axis=1, initial=-1)
    lowest = np.where(predicted >= 0, predicted, np.inf).min(axis=1, initial=np.inf)
    one_tag = np.where(highest == lowest, highest, -1)
    words, right = there.sum(axis=1), (there & (predicted == labels)).sum(axis=1)
    return np.column_stack([words, right, of_entities, one_tag]).astype(float)


def _accuracy(counts: Array) -> Array:
    words, right, *_ = counts
    return np.asarray(right / words)


def _precision(counts: Array) -> Array:
    """Return the part of the entities that are given that are right; 0 if none is given."""
    _, _, true, given, hits, _ = counts
    return np.asarray(np.where((given == 0) & (true > 0), 0.0, hits / given))


def _recall(counts: Array) -> Array:
    _, _, true, _, hits, _ = counts
    return np.asarray(hits / true)


def _f1(counts: Array) -> Array:
    """Return F1; 0 if no entity is given, NaN if there is none either."""
    _, _, true, given, hits, _ = counts
    return np.asarray(2 * hits / (true + given))


OF_COUNTS: Mapping[str, Callable[[Array], Array]] = {
    "entity_f1": _f1,
    "entity_precision": _precision,
    "entity_recall": _recall,
    "accuracy": _accuracy,
}
ENTITY_METRICS = tuple(name for name in OF_COUNTS if name.startswith("entity_"))


def of_counts(name: str, counts: Array) -> Array:
    """Return a metric from the sums of rows' ``COUNTS``, (6, ...); NaN where it is not defined."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return OF_COUNTS[name](counts)


def _metric(name: str) -> Metric:
    def compute(counts: "Tensor", labels: "Tensor", outputs: int) -> "Tensor":
        """Return the metric of the rows with such counts, (rows, 6)."""
        return counts.new_tensor(float(of_counts(name, counts.sum(dim=0).numpy())))

    return Metric(compute)


TAG_METRICS: Mapping[str, Metric] = {name: _metric(name) for name in OF_COUNTS}
