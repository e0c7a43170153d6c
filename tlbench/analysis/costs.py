"""Adds up what scores cost, with and without reuse, and per point gained."""

from collections.abc import Iterator

import pandas as pd

from tlbench.analysis.collect import SETTING, trained
from tlbench.analysis.settings import setting_means
from tlbench.records.definitions import BASELINE

COSTS = ("steps", "passes", "device_hours")


def budgets(table: pd.DataFrame, gained: pd.DataFrame) -> pd.DataFrame:
    """Return by setting score, steps, passes, gain over the baseline and passes per point.

    ``passes_per_point`` is the passes beyond the baseline's for each point (a hundredth)
    gained; NaN where nothing is gained.
    """
    means, size = setting_means(table), ["target", "target_rows"]
    baseline = means[means.strategy == BASELINE].set_index(size).passes
    gain = gained[[*SETTING, "difference"]].rename(columns={"difference": "gain"})
    means = means.merge(gain, on=SETTING, how="left")
    more = means.passes - baseline.reindex(pd.MultiIndex.from_frame(means[size])).to_numpy()
    return means.assign(passes_per_point=more / (100 * means.gain.where(means.gain > 0)))


def by_strategy(budget: pd.DataFrame) -> pd.DataFrame:
    """Return by strategy and method the means over settings of scores, gains and costs.

    ``collapsed`` counts runs. The majority class has no mean where it is not defined for a setting
    that the score is a mean of.
    """
    columns = ["score", "majority", "gain", "steps", "passes"]
    grouped = budget.groupby(["strategy", "method"], sort=False)
    counts = {"settings": grouped.size(), "collapsed": grouped.collapsed.sum(min_count=1)}
    frame = grouped[columns].mean().assign(**counts)
    frame["majority"] = frame.majority.where(grouped.majority.count() == frame.settings)
    frame = frame.reset_index()
    baseline = frame.passes[frame.strategy == BASELINE].mean()
    gain = frame.gain.where(frame.gain > 0)
    return frame.assign(passes_per_point=(frame.passes - baseline) / (100 * gain))


def totals(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the whole study cost: each stage once, and as if none were reused.

    What has diverged or has no defined score has cost them too.

    Records say what each stage cost. Older ones know what their plans cost together: the part of
    a start stage is that of a record that ends with it, else what the record found trained; where
    neither says, it counts with the stage after it, so the total with reuse is never too low.
    """
    runs = trained(table)
    rows = []
    for cost in COSTS:
        without = runs[cost].sum()
        with_reuse = sum(_stage_costs(runs, cost).values())
        name = cost.replace("_", " ")
        rows.append({"cost": name, "with_reuse": with_reuse, "without_reuse": without})
    return pd.DataFrame(rows)


def _stage_costs(runs: pd.DataFrame, cost: str) -> dict[str, float]:
    costs = _known_costs(runs, cost)
    plans = sorted(_plans(runs, cost), key=lambda plan: len(plan[0]))
    for stages, total, reused in plans:  # a start's part where one of its users has it reused
        # Shorter plans come first, so that a start is known before what follows it.
        if len(stages) == 1:
            costs.setdefault(stages[0], total)
        elif stages[0] not in costs and 0 < reused < total and len(stages) == 2:
            costs[stages[0]] = reused
    for stages, total, _ in plans:
        if len(stages) > 1:
            costs.setdefault(stages[-1], max(0, total - sum(costs.get(s, 0) for s in stages[:-1])))
    return costs


def _known_costs(runs: pd.DataFrame, cost: str) -> dict[str, float]:
    """Return by stage what the records say that it cost."""
    costs: dict[str, float] = {}
    for stages, each in runs[["stages", f"stage_{cost}"]].itertuples(index=False):
        if each:
            costs |= dict(zip(str(stages).split(), map(float, str(each).split()), strict=True))
    return costs


def _plans(runs: pd.DataFrame, cost: str) -> Iterator[tuple[list[str], float, float]]:
    """Yield every record's stages, what they cost, and what of it was in the store before."""
    columns = runs[["stages", cost, f"{cost}_reused", "file"]]
    for stages, total, reused, file in columns.itertuples(index=False):
        yield str(stages).split() or [str(file)], float(total), float(reused)
