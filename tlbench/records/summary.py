"""Prints what a person reads at the end: a table of one result, or of a multirun's."""

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rich.table import Table

from tlbench.console import console, points, say
from tlbench.records.definitions import BASELINE, NONE
from tlbench.records.older import with_later_keys
from tlbench.records.record import RECORD_FILE, ResultRecord
from tlbench.records.settings import (
    Flattened,
    Setting,
    Settings,
    baseline_of,
    place,
    scores_of,
    setting_of,
    varying,
)

Count = Callable[[Iterable[ResultRecord]], str]


def print_record(record: ResultRecord, folder: Path, title: str | None = None) -> None:
    """Print one result: a table and where its record is, or in a sweep a line with its title."""
    if title:
        say(
            f"  {title}: {_score(record)}{_on_test(record)} (majority "
            f"{points(record.majority_score)}){', collapsed' if record.collapsed else ''}, "
            f"{record.instances} instances, {record.instances_reused} of them reused"
        )
        return
    console().print(_record_table(record))
    if record.reason:
        say(f"{record.outcome}: {record.reason}")
    if record.collapsed:
        say("collapsed: it predicts the same for every row of dev")
    if record.threshold is not None:
        say(f"threshold: {record.threshold:g}, which rows held out of train have chosen")
    for name, group in (record.groups or {}).items():
        metrics = (f"{key} {points(value)}" for key, value in group.items() if key != "rows")
        say(f"group {name}, {group['rows']:,.0f} rows: {', '.join(metrics)}")
    if record.scores_by_selection.get("cross_fit") is not None:
        scores = record.scores_by_selection.items()
        say(", ".join(f"selection={name}: {points(score)}" for name, score in scores))
    say(f"record: {folder / RECORD_FILE}")


def _record_table(record: ResultRecord) -> Table:
    table = Table(title=f"{record.strategy} {record.target_task} seed {record.seed}, in points")
    has_diverged = record.outcome == "diverged"
    test = [] if record.test is None else [points(record.test["score"])]
    columns = ["score", *(["test"] if test else []), "majority", *record.metrics]
    for column in (*columns, "steps", "instances", "of them reused"):
        table.add_column(column, justify="right")
    table.add_row(
        _score(record),
        *test,
        points(record.majority_score),
        *("-" if has_diverged else points(value) for value in record.metrics.values()),
        str(record.steps),
        str(record.instances),
        str(record.instances_reused),
    )
    return table


def _on_test(record: ResultRecord) -> str:
    return "" if record.test is None else f", test {points(record.test['score'])}"


def _score(record: ResultRecord) -> str:
    return points(record.score) if record.outcome == "scored" else record.outcome


def study_table(records: Iterable[ResultRecord]) -> Table:
    """Return mean and standard deviation over seeds, and the gain over the baseline, as a table.

    The gain is the mean of the differences between results with one seed; its error is their
    standard error. What else varies, as sizes or sampling, has a column of its own, and only
    results that agree in it are compared; so has the method, where several are compared. An
    experiment that has diverged, or whose score is not defined, is in no mean but in the column
    ``no score``; one that has collapsed is in the means, and in the column ``collapsed``. Both
    columns are shown only if a record needs them, and so is ``test``: the mean over the seeds that
    have been scored on test rows.
    """
    trained = [with_later_keys(record) for record in records if record.outcome != "failed"]
    flattened = Flattened()
    varied = varying(trained, flattened)
    settings: dict[Setting, dict[int, ResultRecord]] = defaultdict(dict)
    for record in trained:
        settings[setting_of(record, varied, flattened)][record.seed] = record
    has_methods = len({setting.method for setting in settings} - {NONE}) > 1
    counts = _counts(trained)
    # Headings may break where a key has a dot or an underscore: a log is narrow.
    table = Table(title="Scores on dev in points: mean and standard deviation over seeds")
    methods = ["method"] if has_methods else []
    for name in ("target", "strategy", *methods, "support", *varied):
        table.add_column(re.sub(r"([._])", r"\1\n", name), overflow="fold")
    test = ["test"] if any(record.test for record in trained) else []
    last = (f"gain over {BASELINE}", "majority", "instances", *counts)
    for name in ("seeds", "score", *test, *last):
        table.add_column(name, justify="right")
    for setting in sorted(settings, key=place):
        counted = [count(settings[setting].values()) for count in counts.values()]
        method = [setting.method] if has_methods else []
        about = (setting.target, setting.strategy, *method, setting.support, *setting.values)
        seeds, score, *numbers = _numbers(setting, settings)
        on_test = [_test(settings[setting].values())] if test else []
        table.add_row(*about, seeds, score, *on_test, *numbers, *counted)
    return table


def _counts(records: Sequence[ResultRecord]) -> dict[str, Count]:
    """Return the columns of what is counted only where there is any, with what counts it."""
    counts: dict[str, Count] = {}
    if any(record.outcome != "scored" for record in records):
        counts["no score"] = _without_score
    if any(record.collapsed for record in records):
        counts["collapsed"] = _collapsed
    return counts


def _numbers(setting: Setting, settings: Settings) -> Iterator[str]:
    records = list(settings[setting].values())
    scores = scores_of(settings[setting])
    yield str(len(scores))
    yield _spread(list(scores.values())) if scores else _outcomes(records)
    baseline = baseline_of(setting, settings)
    yield NONE if setting.strategy == BASELINE or baseline is None else _gain(scores, baseline)
    yield points(next((r.majority_score for r in records if r.majority_score is not None), None))
    yield str(records[0].instances)


def _test(records: Iterable[ResultRecord]) -> str:
    scores = [r.test["score"] for r in records if r.test and r.test["score"] is not None]
    return _spread(scores) if scores else NONE


def _without_score(records: Iterable[ResultRecord]) -> str:
    """Return ``1 diverged, 2 undefined``; empty if all have a score."""
    counts = Counter(record.outcome for record in records if record.outcome != "scored")
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in sorted(counts))


def _collapsed(records: Iterable[ResultRecord]) -> str:
    return str(sum(bool(record.collapsed) for record in records))


def _outcomes(records: Iterable[ResultRecord]) -> str:
    return ", ".join(sorted({record.outcome for record in records}))


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return points(values[0])
    return f"{points(statistics.mean(values))} ± {points(statistics.stdev(values))}"


def _gain(these: dict[int, float], singles: dict[int, float]) -> str:
    # Seed by seed: what the seed draws is the same on both sides, and not in the error.
    gains = [these[seed] - singles[seed] for seed in these if seed in singles]
    if len(gains) < 2:
        return points(gains[0], signed=True) if gains else "-"
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    return f"{points(statistics.mean(gains), signed=True)} ± {points(error)}"
