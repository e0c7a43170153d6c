"""What scores cost: steps and instances per strategy, per point gained, with and without reuse."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tlbench.analysis.cells import CELL, cells
from tlbench.analysis.collect import trained


def budgets(table: pd.DataFrame, gained: pd.DataFrame) -> pd.DataFrame:
    """By cell: score, steps, instances, gain over single and instances per point of it.

    ``instances_per_point`` is the instances beyond single's for each point (a hundredth) gained;
    NaN where nothing is gained.
    """
    found = cells(table)
    alone = found[found.strategy == "single"].set_index(["target", "target_rows"]).instances
    found = found.merge(gained[[*CELL, "difference"]], on=CELL, how="left")
    singles = alone.reindex(pd.MultiIndex.from_frame(found[["target", "target_rows"]]))
    more = found.instances - singles.to_numpy()
    gain = found.difference.where(found.difference > 0)
    return found.assign(gain=found.difference, instances_per_point=more / (100 * gain)).drop(
        columns="difference"
    )


def by_strategy(budget: pd.DataFrame) -> pd.DataFrame:
    """Means over a strategy's cells of score, majority class, gain, steps and instances.

    ``collapsed`` counts its runs.

    The majority class has none where it is not defined for a cell that the score is a mean of.
    """
    columns = ["score", "majority", "gain", "steps", "instances"]
    grouped = budget.groupby("strategy", sort=False)
    counts = {"cells": grouped.size(), "collapsed": grouped.collapsed.sum(min_count=1)}
    frame = grouped[columns].mean().assign(**counts)
    frame["majority"] = frame.majority.where(grouped.majority.count() == frame.cells)
    alone = frame.instances.get("single", np.nan)
    gain = frame.gain.where(frame.gain > 0)
    frame["instances_per_point"] = (frame.instances - alone) / (100 * gain)
    return frame.reset_index()


def totals(table: pd.DataFrame) -> pd.DataFrame:
    """Steps and instances of the whole study: every stage once, and as if nothing were reused.

    What has diverged or has no defined score has cost them too.

    Records say what each stage cost. Older ones know what their plans cost together: the part of
    a start stage is that of a record that ends with it, else what the record found trained; where
    neither says, it counts with the stage after it, so the total with reuse is never too low.
    """
    found = trained(table)
    rows = []
    for cost in ("steps", "instances"):
        without = int(found[cost].sum())
        with_reuse = sum(_stage_costs(found, cost).values())
        rows.append({"cost": cost, "with_reuse": with_reuse, "without_reuse": without})
    return pd.DataFrame(rows)


def _stage_costs(found: pd.DataFrame, cost: str) -> dict[str, int]:
    costs = _known_costs(found, cost)
    plans = sorted(_plans(found, cost), key=lambda plan: len(plan[0]))
    for stages, total, reused in plans:  # a start's part where one of its users has it reused
        if len(stages) == 1:
            costs.setdefault(stages[0], total)
        elif stages[0] not in costs and 0 < reused < total and len(stages) == 2:
            costs[stages[0]] = reused
    for stages, total, _ in plans:
        if len(stages) > 1:
            costs.setdefault(stages[-1], max(0, total - sum(costs.get(s, 0) for s in stages[:-1])))
    return costs


def _known_costs(found: pd.DataFrame, cost: str) -> dict[str, int]:
    """By stage, what the records say that it cost."""
    costs: dict[str, int] = {}
    for stages, each in found[["stages", f"stage_{cost}"]].itertuples(index=False):
        if each:
            costs |= dict(zip(str(stages).split(), map(int, str(each).split()), strict=True))
    return costs


def _plans(found: pd.DataFrame, cost: str) -> Iterator[tuple[list[str], int, int]]:
    """Of every record: its stages, what they cost, and what of it was there before."""
    columns = found[["stages", cost, f"{cost}_reused", "file"]]
    for stages, total, reused, file in columns.itertuples(index=False):
        yield str(stages).split() or [str(file)], int(total), int(reused)
