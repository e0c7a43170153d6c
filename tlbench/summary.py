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
    standard error.
    """
    cells: dict[tuple[str, ...], dict[int, ResultRecord]] = defaultdict(dict)
    for record in records:
        if record.score is not None:
            supports = "all" if record.strategy == "mtl_all" else "+".join(record.support_tasks)
            cells[record.target_task, record.strategy, supports][record.seed] = record
    table = Table(title="Scores on dev in points: mean and standard deviation over seeds")
    for name in ("target", "strategy", "support"):
        table.add_column(name)
    for name in ("seeds", "score", "gain over single", "majority", "instances"):
        table.add_column(name, justify="right")
    for (target, strategy, support), by_seed in sorted(cells.items(), key=_order):
        found = list(by_seed.values())
        table.add_row(
            target,
            strategy,
            support or "-",
            str(len(found)),
            _spread([r.score for r in found if r.score is not None]),
            "-" if strategy == "single" else _gain(by_seed, cells.get((target, "single", ""), {})),
            points(found[0].majority_score),
            str(found[0].instances),
        )
    return table


def _order(item: tuple[tuple[str, ...], Any]) -> tuple[str, ...]:
    (target, strategy, support), _ = item
    return (target, "" if strategy == "single" else strategy, support)


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
