"""What every group of a target's rows scores: means over seeds, beside the worst and the whole."""

import json
from collections.abc import Hashable

import pandas as pd

from tlbench.analysis.collect import SETTING, done


def group_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds, one row a strategy, method, pair and sizes; fractions.

    Args:
        table: records, as ``collect`` gives them.

    Returns:
        ``SETTING``, ``seeds``, and a column for all rows, for the worst group (of every seed its
        own), and for each group; empty where no target has groups.
    """
    scored = done(table)
    scored = scored[scored.groups.astype(bool)]
    values = pd.DataFrame([json.loads(text) for text in scored.groups], index=scored.index)
    joined = pd.concat([scored[[*SETTING, "seed"]], values.astype(float)], axis=1)
    by_setting = joined.groupby(SETTING, sort=False)
    means: dict[Hashable, object] = {name: by_setting[name].mean() for name in values.columns}
    return pd.DataFrame({"seeds": by_setting.seed.nunique(), **means}).reset_index()
