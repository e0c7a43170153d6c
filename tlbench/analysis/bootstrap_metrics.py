"""Computes metrics of many runs under many weightings of the same rows: of dev, to bootstrap.

The same metrics as ``tlbench.tasks.scores`` computes once: there from logits, here from what is
saved of them, for all resamples in a few matrix products. So a correlation is 0 in a resample whose
predictions are all the same, and NaN in one whose labels are: that resample is no run's, and
intervals leave it out for all of them.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tlbench.analysis.bootstrap_correlations import correlation, pearson, spearman
from tlbench.analysis.bootstrap_labels import LABEL_MEANS, LABEL_METRICS
from tlbench.analysis.bootstrap_ranks import auroc, average_precision
from tlbench.analysis.bootstrap_tags import TAG_METRICS, tag_metric
from tlbench.records.predictions import Saved
from tlbench.tasks.worst_group import bases

Array = NDArray[np.float64]


class Said(NamedTuple):
    """What runs said of rows.

    Attributes:
        labels: (rows,), class indices or numbers; of a multilabel task (rows, labels), 0 and 1.
        predictions: (runs, rows), or (runs, rows, labels), the same.
        probabilities: (runs, rows, classes); None where they are not known.
        positive: of two classes the one that F1, AUROC and average precision are of.
        counts: of a tagging task what is counted of rows, (runs, rows, 6); else None.
    """

    labels: Array
    predictions: Array
    probabilities: Array | None = None
    positive: int = 1
    counts: Array | None = None


Form = Literal["one", "labels", "tags"]


def form_of(saved: Saved) -> Form:
    """Return what a row has: one label, some of several, or tags of words."""
    if saved.counts is not None:
        return "tags"
    return "one" if saved.labels.ndim == 1 else "labels"


def score(names: str, said: Said, weights: Array) -> Array:
    """Return the mean of the metrics named ``a+b``.

    Args:
        names: the metrics, joined by ``+``.
        said: with probabilities, if a metric is of them.
        weights: (resamples, rows), how often each row is drawn.

    Returns:
        Scores (runs, resamples), fractions; NaN where a metric is not defined.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        metrics = [_metric(name, said, weights) for name in names.split("+")]
    return np.asarray(np.mean(metrics, axis=0))


def _metric(name: str, said: Said, weights: Array) -> Array:
    if said.counts is not None:
        return tag_metric(name, said.counts, weights)
    if said.labels.ndim == 1:
        return METRICS[name](said, weights)
    if name in LABEL_MEANS:
        return _mean_of(LABEL_MEANS[name])(said, weights)
    return LABEL_METRICS[name](said.labels, said.predictions, weights)


def _class_counts(said: Said, weights: Array, label: float) -> tuple[Array, Array, Array]:
    """Return the counts of a class in every resample.

    Args:
        said, weights: as in ``score``.
        label: the class.

    Returns:
        Rows rightly predicted to be it (runs, resamples), rows predicted to be it (runs,
        resamples), rows of it (resamples,).
    """
    predicted, true = said.predictions == label, said.labels == label
    return (predicted & true) @ weights.T, predicted @ weights.T, true @ weights.T


def _classes(said: Said) -> Array:
    return np.union1d(said.labels, said.predictions)


def _f1_of(said: Said, weights: Array, label: float) -> Array:
    hit, predicted, true = _class_counts(said, weights, label)
    return np.where(predicted + true > 0, 2 * hit / (predicted + true), np.nan)


def _f1(said: Said, weights: Array) -> Array:
    return _f1_of(said, weights, float(said.positive))


def _macro_f1(said: Said, weights: Array) -> Array:
    each = [_f1_of(said, weights, label) for label in _classes(said)]
    return np.asarray(np.nanmean(each, axis=0))


def _weighted_f1(said: Said, weights: Array) -> Array:
    total = np.zeros((len(said.predictions), len(weights)))
    for label in np.unique(said.labels):
        # Of a class that is not drawn F1 may be 0 or not defined, and has no part.
        rows = (said.labels == label) @ weights.T
        total += rows * np.nan_to_num(_f1_of(said, weights, label))
    return np.asarray(total / weights.sum(axis=1))


def _balanced_accuracy(said: Said, weights: Array) -> Array:
    counts = [_class_counts(said, weights, label) for label in np.unique(said.labels)]
    return np.asarray(np.nanmean([hit / true for hit, _, true in counts], axis=0))


def _matthews(said: Said, weights: Array) -> Array:
    # Of several classes: Gorodkin (2004), as in scikit-learn.
    rows = weights.sum(axis=1)
    right = (said.predictions == said.labels) @ weights.T
    product = squares = true_squares = 0.0 * right
    for label in _classes(said):
        _, predicted, true = _class_counts(said, weights, label)
        product = product + predicted * true
        squares, true_squares = squares + predicted**2, true_squares + true**2
    return correlation(right * rows - product, rows**2 - squares, rows**2 - true_squares)


def _auroc(said: Said, weights: Array) -> Array:
    return auroc(said.labels, _known(said), weights, _ranked_classes(said))


def _average_precision(said: Said, weights: Array) -> Array:
    return average_precision(said.labels, _known(said), weights, _ranked_classes(said))


def _known(said: Said) -> Array:
    assert said.probabilities is not None, "callers leave out runs without"
    return said.probabilities


def _ranked_classes(said: Said) -> list[int]:
    classes = _known(said).shape[2]
    return [said.positive] if classes == 2 else list(range(classes))


def _pearson(said: Said, weights: Array) -> Array:
    return pearson(said.labels, said.predictions, weights)


def _spearman(said: Said, weights: Array) -> Array:
    return spearman(said.labels, said.predictions, weights)


def _is_right(labels: Array, predictions: Array) -> Array:
    return np.asarray(predictions == labels, float)


# Metrics that are means over rows: the values (runs, rows) that they are means of.
MEANS: dict[str, Callable[[Array, Array], Array]] = {
    "accuracy": _is_right,
    "micro_f1": _is_right,
    "mse": lambda labels, predictions: (predictions - labels) ** 2,
}


def _mean_of(values: Callable[[Array, Array], Array]) -> Callable[[Said, Array], Array]:
    """Return the metric that is the mean over rows of such values."""

    def metric(said: Said, weights: Array) -> Array:
        of_rows = values(said.labels, said.predictions)
        return np.asarray(of_rows @ weights.T / weights.sum(axis=1))

    return metric


METRICS: dict[str, Callable[[Said, Array], Array]] = {
    **{name: _mean_of(values) for name, values in MEANS.items()},
    "auroc": _auroc,
    "average_precision": _average_precision,
    "balanced_accuracy": _balanced_accuracy,
    "f1": _f1,
    "macro_f1": _macro_f1,
    "weighted_f1": _weighted_f1,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}


def means_of(form: Form) -> Mapping[str, Callable[[Array, Array], Array]]:
    """Return the metrics of rows of a form that are means over rows, as ``MEANS``."""
    return {"one": MEANS, "labels": LABEL_MEANS, "tags": {}}[form]


def can_resample(names: str, form: Form | None = None) -> bool:
    """Return whether all metrics named ``a+b`` are here; those that users bring are not.

    Args:
        form: of the rows, which has metrics of its own; None for any.
    """
    known = {
        "one": METRICS.keys(),
        "labels": LABEL_METRICS.keys() | LABEL_MEANS.keys(),
        "tags": TAG_METRICS,
    }
    of_form = known.values() if form is None else [known[form]]
    return set(bases(names)) <= set().union(*of_form)
