"""What a person reads at the end: a table of one result, or of a multirun's."""

import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tlbench import results
from tlbench.config import NEUTRAL_KEYS
from tlbench.results import ResultRecord


def points(value: float | None, signed: bool = False) -> str:
    """A fraction in points, ``61.2``; a dash where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def print_record(record: ResultRecord, folder: Path, in_sweep: bool) -> None:
    """Print one result: a table, or in a sweep a line, and where its record is."""
    if in_sweep:
        say(
            f"  {record.target_task} {points(record.score)} (majority "
            f"{points(record.majority_score)}), {record.instances} instances, "
            f"{record.instances_reused} of them reused"
        )
        return
    table = Table(title=f"{record.strategy} {record.target_task} seed {record.seed}, in points")
    for column in ("score", "majority", *record.metrics, "steps", "instances", "of them reused"):
        table.add_column(column, justify="right")
    table.add_row(
        points(record.score),
        points(record.majority_score),
        *(points(value) for value in record.metrics.values()),
        str(record.steps),
        str(record.instances),
        str(record.instances_reused),
    )
    console().print(table)
    say(f"record: {folder / results.FILE}")


def console() -> Console:
    """Standard output; where that is no terminal, wide enough for every table."""
    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)


def say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, markup=False, highlight=False)


def study_table(records: Iterable[ResultRecord]) -> Table:
    """Mean and standard deviation over seeds, and the gain over ``single`` with its error.

    The gain is the mean of the differences between results with one seed; its error is their
    standard error. Where more varies than tasks, strategy and seed, a column says what.
    """
    cells: dict[tuple[str, ...], dict[int, ResultRecord]] = defaultdict(dict)
    scored = [record for record in records if record.score is not None]
    for record, more in zip(scored, _what_else_varies(scored), strict=True):
        supports = "all" if record.strategy == "mtl_all" else "+".join(record.support_tasks)
        cells[record.target_task, record.strategy, supports, more][record.seed] = record
    table = Table(title="Scores on dev in points: mean and standard deviation over seeds")
    with_more = any(more for *_, more in cells)
    for name in ("target", "strategy", "support", *(["with"] if with_more else [])):
        table.add_column(name)
    for name in ("seeds", "score", "gain over single", "majority", "instances"):
        table.add_column(name, justify="right")
    for (target, strategy, support, more), by_seed in sorted(cells.items(), key=_order):
        found = list(by_seed.values())
        singles = cells.get((target, "single", "", more), {})
        table.add_row(
            target,
            strategy,
            support or "-",
            *([more] if with_more else []),
            str(len(found)),
            _spread([r.score for r in found if r.score is not None]),
            "-" if strategy == "single" else _gain(by_seed, singles),
            points(found[0].majority_score),
            str(found[0].instances),
        )
    return table


def _what_else_varies(records: Sequence[ResultRecord]) -> list[str]:
    """For each record the values of what differs between them beside tasks, strategy and seed."""
    known = ("target_task", "support_task", "strategy", "seed", *NEUTRAL_KEYS)
    flat = [_leaves(record.config) for record in records]
    values: dict[str, set[str]] = defaultdict(set)
    for leaves in flat:
        for key, value in leaves.items():
            values[key].add(value)
    varying = [
        key
        for key, found in values.items()
        if len(found) > 1 and not any(f"{key}.".startswith(f"{part}.") for part in known)
    ]
    return [" ".join(f"{key}={leaves.get(key)}" for key in varying) for leaves in flat]


def _leaves(node: dict[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in node.items():
        nested = isinstance(value, dict)
        found |= _leaves(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": str(value)}
    return found


def _order(item: tuple[tuple[str, ...], Any]) -> tuple[str, ...]:
    (target, strategy, support, more), _ = item
    return (target, "" if strategy == "single" else strategy, support, more)


def _spread(values: Sequence[float]) -> str:
    if len(values) < 2:
        return points(values[0])
    return f"{points(statistics.mean(values))} ± {points(statistics.stdev(values))}"


def _gain(these: dict[int, ResultRecord], singles: dict[int, ResultRecord]) -> str:
    gains = [
        (these[seed].score or 0) - (singles[seed].score or 0) for seed in these if seed in singles
    ]
    if len(gains) < 2:
        return points(gains[0], signed=True) if gains else "-"
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    return f"{points(statistics.mean(gains), signed=True)} ± {points(error)}"
