"""The correlations among metrics: 0 of a constant prediction."""

from tlbench.tasks.kinds import KINDS

CORRELATIONS = tuple(
    name
    for kind in KINDS.values()
    for name, metric in kind.metrics.items()
    if metric.is_correlation
)
