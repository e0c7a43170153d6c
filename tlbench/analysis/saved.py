"""The saved predictions of a table's runs, and which of them belong together."""

from collections.abc import Hashable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tlbench.analysis import bootstrap_metrics
from tlbench.records.predictions import Array, Saved, find_predictions
from tlbench.tasks.kinds import needs_probabilities
from tlbench.tasks.worst_group import base_of, is_worst, needs_groups

_TOLERANCE = 1e-3  # between a record's score, in 32 bits, and that of its predictions

Predictions = Mapping[Hashable, Saved]  # by a run's label in the index of the table of records


class StoredPredictions(Predictions):
    """The predictions of a table's runs, from packed records or the store, read when asked for.

    Args:
        table: records, as ``collect`` gives them.
        packed: by the name of a record's file, the predictions that were packed with it.
    """

    def __init__(self, table: pd.DataFrame, packed: Mapping[str, Saved] | None = None) -> None:
        columns = table[["target", "stages", "store", "file", "selection", "metric"]]
        self._positive = table.positive.to_dict()
        self._places = {index: tuple(texts) for index, *texts in columns.itertuples()}
        self._packed = packed or {}

    def __getitem__(self, run: Hashable) -> Saved:
        target, stages, store_dir, file, selection, metric = self._places[run]
        last = stages.split()[-1] if stages else ""
        saved = self._packed.get(file)
        saved = saved or find_predictions(target, last, store_dir, file, selection, metric)
        if saved is None:
            raise KeyError(run)
        return saved._replace(positive=int(self._positive[run]))

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def usable(runs: pd.DataFrame, predictions: Predictions) -> dict[Hashable, Saved]:
    """Return by run the predictions of one target that belong together.

    Those are of the same rows as most others', and give the score that the record has: others are
    of another run of the stage.

    Args:
        runs: with ``score`` and ``metric``.
        predictions: of these runs and others; not of all, maybe.
    """
    read = {run: predictions.get(run) for run in runs.index}  # each file once
    found = {run: saved for run, saved in read.items() if saved is not None}
    if not found:
        return {}
    metric = str(runs.metric.iloc[0])
    sizes = pd.Series({run: hash(saved.rows.tobytes()) for run, saved in found.items()})
    first = found[sizes.index[int(np.argmax(sizes == sizes.mode().iloc[0]))]]
    same = {
        run: saved
        for run, saved in found.items()
        # Not to the last digit: versions before kept labels in 32 bits.
        if np.array_equal(saved.rows, first.rows)
        and saved.labels.shape == first.labels.shape
        and np.allclose(saved.labels, first.labels, rtol=1e-6)
        and (saved.counts is None) == (first.counts is None)
        and (saved.probabilities is not None or not needs_probabilities(metric))
        and _are_grouped_alike(saved, first)
    }
    if not bootstrap_metrics.can_resample(metric, bootstrap_metrics.form_of(first)):
        return same
    scores = scores_of(metric, list(same.values()), np.ones((1, len(first.rows))))[:, 0]
    agrees = np.abs(scores - runs.score[list(same)].to_numpy(float)) < _TOLERANCE
    return {run: saved for (run, saved), ok in zip(same.items(), agrees, strict=True) if ok}


def _are_grouped_alike(one: Saved, other: Saved) -> bool:
    if one.groups is None or other.groups is None:
        return one.groups is other.groups
    return np.array_equal(one.groups, other.groups)


def scores_of(metric: str, saved: Sequence[Saved], weights: Array) -> Array:
    """Return scores of runs under weightings of rows, as the runs were scored.

    Args:
        metric: names joined by ``+``, all of them in ``bootstrap_metrics.METRICS``, or of the worst
            group.
        saved: of every run, with the same rows, labels and groups.
        weights: (resamples, rows), how often each row is drawn.

    Returns:
        (runs, resamples), fractions: of each half of the rows, averaged by what is drawn of it,
        where there are halves. Of the group that is worst in a resample, where the metric is.
    """
    if not needs_groups(metric):
        return _scores_of_rows(metric, saved, weights)
    return np.asarray(np.mean([_of_one(one, saved, weights) for one in metric.split("+")], axis=0))


def _of_one(name: str, saved: Sequence[Saved], weights: Array) -> Array:
    """Return one metric's part of ``scores_of``: NaN where no row of some group is drawn."""
    if not is_worst(name):
        return _scores_of_rows(name, saved, weights)
    groups = saved[0].groups
    assert groups is not None, "usable leaves out runs without"
    parts = [weights * (groups == group) for group in np.unique(groups)]
    by_group = [_scores_of_rows(base_of(name), saved, part) for part in parts]
    return np.asarray(np.min(by_group, axis=0))


def _scores_of_rows(metric: str, saved: Sequence[Saved], weights: Array) -> Array:
    """Return what ``scores_of`` does of a metric of all rows; NaN where none is drawn."""
    drawn = weights.sum(axis=1)
    scores = np.where(drawn > 0, np.zeros((len(saved), 1)), np.nan)
    # Runs of one seed share their halves; those without are all in one.
    alike: dict[bytes, list[int]] = {}
    for run, one in enumerate(saved):
        key = b"" if one.halves is None else one.halves.tobytes()
        alike.setdefault(key, []).append(run)
    for runs in alike.values():
        of_runs = _together([saved[run] for run in runs])
        halves = saved[runs[0]].halves
        for half in np.unique(halves) if halves is not None else (None,):
            part = weights if halves is None else weights * (halves == half)
            share = part.sum(axis=1) / np.maximum(drawn, 1)
            of_half = bootstrap_metrics.score(metric, of_runs, part)
            scores[runs] += np.where(share > 0, share * of_half, 0.0)
    return scores


def _together(saved: Sequence[Saved]) -> bootstrap_metrics.Said:
    """Return what runs said of the same rows; probabilities only where all have them."""
    known = [one.probabilities for one in saved if one.probabilities is not None]
    return bootstrap_metrics.Said(
        saved[0].labels,
        np.array([one.predictions for one in saved]),
        np.array(known) if len(known) == len(saved) else None,
        saved[0].positive,
        None if saved[0].counts is None else np.array([one.counts for one in saved]),
    )
