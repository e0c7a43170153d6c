"""Pairs of tasks: what one gains from the other, and what is known of both."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tlbench.analysis.comparisons import gains
from tlbench.analysis.learned import cosines_from_words
from tlbench.predictors.alone import trained_alone
from tlbench.predictors.pair_features import FEATURES
from tlbench.records.definitions import ALL, NONE

STRATEGY = "mtl"


def pair_gains(
    table: pd.DataFrame,
    strategy: str = STRATEGY,
    texts: Mapping[tuple[str, str], float] | None = None,
) -> pd.DataFrame:
    """Return every ordered pair of tasks that have a ``single``, with what it gains.

    Args:
        table: records, as ``collect`` gives them.
        strategy: whose gains over ``single`` are asked for.
        texts: how alike two tasks' texts are, by target and support.

    Returns:
        ``target``, ``support``, ``gain``, a fraction, NaN where the pair was not trained, and a
        column for each of ``FEATURES``, NaN where that is not known.

    Raises:
        UserError: if fewer than two tasks have a ``single``.
    """
    alone = trained_alone(table)
    measured = gains(table)
    of_pair = measured[(measured.strategy == strategy) & ~measured.support.isin([NONE, ALL])]
    cosines = _cosines(table)
    gain = of_pair.groupby(["target", "support"]).difference.mean()
    rows = [
        {
            "target": target,
            "support": support,
            "gain": gain.get((target, support), np.nan),
            "target rows": np.log(alone.rows[target]),
            "support rows": np.log(alone.rows[support]),
            "ratio": np.log(alone.rows[target] / alone.rows[support]),
            "majority": alone.majority[target],
            "headroom": alone.headroom[target],
            "label entropy": alone.entropy[target],
            "early": alone.early[target],
            "late": alone.late[target],
            "support's headroom": alone.headroom[support],
            "support's label entropy": alone.entropy[support],
            "support's early": alone.early[support],
            "support's late": alone.late[support],
            "text similarity": (texts or {}).get((target, support), np.nan),
            "cosine": cosines.get(frozenset((target, support)), np.nan),
        }
        for target in alone.index
        for support in alone.index
        if target != support
    ]
    return pd.DataFrame(rows)


def _cosines(table: pd.DataFrame) -> dict[frozenset[str], float]:
    """Return by pair the mean cosine of the two tasks' gradients, each stage counting once."""
    if "cosines" not in table.columns:
        return {}
    by_pair: dict[frozenset[str], list[float]] = {}
    for words in table.drop_duplicates("stages").cosines:
        for pair, cosine in cosines_from_words(words).items():
            by_pair.setdefault(pair, []).append(cosine)
    return {pair: float(np.mean(each)) for pair, each in by_pair.items()}


def known_groups(pairs: pd.DataFrame) -> list[str]:
    """Return the groups of ``FEATURES`` that are known of at least half of the pairs."""
    shares = pairs.notna().mean()
    return [name for name, columns in FEATURES.items() if shares[list(columns)].min() >= 0.5]
