"""What finished studies say of a support: what it has gained for other targets."""

import pandas as pd

from tlbench.analysis.collect import done
from tlbench.records.definitions import BASELINE


def earlier(table: pd.DataFrame, target: str) -> dict[str, float]:
    """Return by support its mean gain over ``single``, of other targets, a fraction.

    Each target counts once; of strategies and methods the mean. Gains of different metrics are
    taken as they are.

    Args:
        table: records, as ``collect`` gives them.
        target: the task that is asked about, whose own records are left out.
    """
    gains = gains_by_support(table[table.target != target])
    return {str(name): float(gain) for name, gain in gains.groupby("support").gain.mean().items()}


def gains_by_support(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``target``, ``support`` and ``gain``, a line for each pair that has a ``single``."""
    scored = done(table)
    means = scored.groupby(["target", "target_rows", "strategy", "method", "support"]).score.mean()
    by_candidate = means.reset_index()
    is_single = by_candidate.strategy == BASELINE
    single = by_candidate[is_single].set_index(["target", "target_rows"]).score
    others = by_candidate[~is_single].join(single, on=["target", "target_rows"], rsuffix="_single")
    others = others.assign(gain=others.score - others.score_single).dropna(subset="gain")
    return others.groupby(["target", "support"], as_index=False).gain.mean()
