"""What finished studies say of a support: what it has gained for other targets."""

import pandas as pd

from tlbench.analysis.comparisons import gains


def earlier(table: pd.DataFrame, target: str) -> dict[str, float]:
    """Return by support its mean gain over ``single``, of other targets, a fraction.

    Each target counts once; of strategies and methods the mean. Gains of different metrics are
    taken as they are.

    Args:
        table: records, as ``collect`` gives them.
        target: the task that is asked about, whose own records are left out.
    """
    of_others = gains(table[table.target != target])
    by_pair = of_others.groupby(["support", "target"]).difference.mean()
    return {str(name): float(gain) for name, gain in by_pair.groupby("support").mean().items()}
