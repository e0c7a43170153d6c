"""The columns that several tables of a report share."""

import pandas as pd

from tlbench.analysis.names import Labels
from tlbench.analysis.study import Analysis
from tlbench.records.definitions import BASELINE
from tlbench.report.format import Column

TARGET = Column("target", "target")
SUPPORT = Column("support", "support")
SIZES = (
    Column("target_rows", "target rows", "count"),
    Column("support_rows", "support rows", "count"),
)
MAJORITY = Column("majority", "majority class", "points")
INTERVALS = (
    Column("low_seeds high_seeds", "90% over seeds", "interval"),
    Column("low high", "90% over seeds and rows", "interval"),
)
SPREADS = ("sd_first", "sd_second", "sd_difference")
_COLLAPSED = Column("collapsed", "collapsed", "count")


def strategy_columns(labels: Labels, heading: str = "strategy") -> tuple[Column, ...]:
    """Return the column of strategies, and of their methods where several are compared."""
    return Column("strategy", heading, labels=labels.strategies), *method_columns(labels)


def method_columns(labels: Labels) -> tuple[Column, ...]:
    """Return the column of methods, where several are compared."""
    return (Column("method", "method", labels=labels.methods),) if labels.has_methods else ()


def collapsed_columns(frame: pd.DataFrame) -> tuple[Column, ...]:
    """Return the column of collapsed runs, where there are any."""
    return (_COLLAPSED,) if frame.collapsed.sum() else ()


def with_majority(analysis: Analysis, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the majority class's score of each row's target."""
    by_target = analysis.budget.groupby("target").majority.mean()
    return frame.assign(majority=frame.target.map(by_target))


def baseline_label(analysis: Analysis) -> str:
    """Return how people read the baseline."""
    return analysis.labels.strategies.get(BASELINE, BASELINE)
