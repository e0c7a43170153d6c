"""What a person reads at the end: a table of one result, or of a multirun's."""

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from rich.table import Table

from tlbench.config.identity import NEUTRAL_KEYS, affects_training, flatten, is_under
from tlbench.console import console, points, say
from tlbench.records.definitions import is_of_single, plan_key, task_keys
from tlbench.records.record import RECORD_FILE, ResultRecord


def print_record(record: ResultRecord, folder: Path, title: str | None = None) -> None:
    """Print one result: a table and where its record is, or in a sweep a line with its title."""
    if title:
        say(
            f"  {title}: {_score(record)} (majority "
            f"{points(record.majority_score)}){', collapsed' if record.collapsed else ''}, "
            f"{record.instances} instances, {record.instances_reused} of them reused"
        )
        return
    table = Table(title=f"{record.strategy} {record.target_task} seed {record.seed}, in points")
    lost = record.outcome == "diverged"
    for column in ("score", "majority", *record.metrics, "steps", "instances", "of them reused"):
        table.add_column(column, justify="right")
    table.add_row(
        _score(record),
        points(record.majority_score),
        *("-" if lost else points(value) for value in record.metrics.values()),
        str(record.steps),
        str(record.instances),
        str(record.instances_reused),
    )
    console().print(table)
    if record.reason:
        say(f"{record.outcome}: {record.reason}")
    if record.collapsed:
        say("collapsed: it predicts the same for every row of dev")
    say(f"record: {folder / RECORD_FILE}")


def _score(record: ResultRecord) -> str:
    return points(record.score) if record.outcome == "scored" else record.outcome


def study_table(records: Iterable[ResultRecord]) -> Table:
    """Mean and standard deviation over seeds, and the gain over ``single`` with its error.

    The gain is the mean of the differences between results with one seed; its error is their
    standard error. What else varies, as sizes or sampling, has a column of its own, and only
    results that agree in it are compared. An experiment that has diverged, or whose score is not
    defined, is in no mean but in the column ``no score``; one that has collapsed is in the means,
    and in the column ``collapsed``. Both columns are there if there is any.
    """
    found = [record for record in records if record.outcome != "failed"]
    lacking = any(record.outcome != "scored" for record in found)
    varied = varying(found)
    cells: dict[Cell, dict[int, ResultRecord]] = defaultdict(dict)
    for record in found:
        cells[_cell(record, varied)][record.seed] = record
    table = Table(title="Scores on dev in points: mean and standard deviation over seeds")
    for name in ("target", "strategy", "support", *varied):
        table.add_column(re.sub(r"([._])", r"\1\n", name), overflow="fold")
    counted = {"no score": _without_score} if lacking else {}
    if any(record.collapsed for record in found):
        counted["collapsed"] = _collapsed
    for name in ("seeds", "score", "gain over single", "majority", "instances", *counted):
        table.add_column(name, justify="right")
    for cell in sorted(cells, key=_place):
        counts = [count(cells[cell].values()) for count in counted.values()]
        table.add_row(*cell[:3], *cell[3], *_numbers(cell, cells, varied), *counts)
    return table


Cell = tuple[str, str, str, tuple[str, ...]]  # target, strategy, support, what else varies
_IN_THE_CELL = ("target_task", "support_task", "strategy", "seed", *NEUTRAL_KEYS)


def varying(records: Sequence[ResultRecord]) -> list[str]:
    """The keys in which records differ, tasks, strategies, seeds and neutral keys aside.

    They are of the config, of what a strategy of one name is, and of what a task is where the
    config does not say it: ``task_keys``.
    """
    values: dict[str, set[str]] = defaultdict(set)
    configs = [_flat(record) for record in records]
    for config in configs:
        for key, value in config.items():
            values[key].add(value)
    of_config = [key for key, v in values.items() if len(v) > 1 and not is_under(key, _IN_THE_CELL)]
    alike: dict[tuple[str | None, ...], set[str]] = defaultdict(set)
    for record, config in zip(records, configs, strict=True):
        same = (record.target_task, *(config.get(key) for key in of_config))
        for key, value in task_keys(record).items():
            alike[key, *same].add(value)
    of_tasks = {str(key): None for (key, *_), found in alike.items() if len(found) > 1}
    return [*of_config, *of_tasks]


def _flat(record: ResultRecord) -> dict[str, str]:
    return {key: str(value) for key, value in flatten(record.config)} | plan_key(record)


def _cell(record: ResultRecord, varied: Sequence[str]) -> Cell:
    support = "all" if record.strategy == "mtl_all" else "+".join(record.support_tasks) or "-"
    config = _flat(record) | task_keys(record)
    values = tuple(
        config.get(key, "-") if affects_training(key, record.strategy) else "-" for key in varied
    )
    return record.target_task, record.strategy, support, values


def _place(cell: Cell) -> tuple[Any, ...]:
    """Where a cell stands in the table: sizes by their numbers, single before what it helps."""
    return [_by_number(value) for value in cell[3]], cell[0], cell[1] != "single", cell


def _by_number(value: str) -> tuple[bool, Fraction, str]:
    try:
        return True, Fraction(value.removesuffix("x")), value
    except (ValueError, ZeroDivisionError):
        return False, Fraction(0), value


def _numbers(
    cell: Cell, cells: dict[Cell, dict[int, ResultRecord]], varied: Sequence[str]
) -> Iterator[str]:
    target, strategy, _, values = cell
    found = list(cells[cell].values())
    alone = [
        value if affects_training(key, "single") and is_of_single(key, target) else "-"
        for key, value in zip(varied, values, strict=True)
    ]
    scores = _scores(cells[cell])
    yield str(len(scores))
    yield _spread(list(scores.values())) if scores else _outcomes(found)
    singles = _scores(cells.get((target, "single", "-", tuple(alone)), {}))
    yield "-" if strategy == "single" else _gain(scores, singles)
    yield points(next((r.majority_score for r in found if r.majority_score is not None), None))
    yield str(found[0].instances)


def _scores(records: dict[int, ResultRecord]) -> dict[int, float]:
    """By seed, the scores of those that have one."""
    return {seed: r.score for seed, r in records.items() if r.score is not None}


def _without_score(records: Iterable[ResultRecord]) -> str:
    """``1 diverged, 2 undefined``; empty if all have a score."""
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
    gains = [these[seed] - singles[seed] for seed in these if seed in singles]
    if len(gains) < 2:
        return points(gains[0], signed=True) if gains else "-"
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    return f"{points(statistics.mean(gains), signed=True)} ± {points(error)}"
