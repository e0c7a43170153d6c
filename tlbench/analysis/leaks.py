"""Says which scored rows of a target are among the rows that a study's runs have trained on."""

import pandas as pd

from tlbench.analysis.candidates import scored_runs
from tlbench.analysis.verdicts import Verdict


def notices(table: pd.DataFrame) -> list[str]:
    """Return a sentence for every target of which rows leak.

    Args:
        table: records, as ``collect`` gives them.
    """
    sentences = []
    for target, runs in table[table.leaks.ne("")].groupby("target", sort=False):
        said = "; ".join(_each(runs))
        sentences.append(f"Of {target} {said}: a gain may come from having seen them.")
    return sentences


def of_best(verdict: Verdict, table: pd.DataFrame) -> str:
    """Return what leaks to the best guess of a verdict; empty if nothing does."""
    if verdict.best is None:
        return ""
    runs = scored_runs(table, verdict.target, verdict.target_rows, verdict.best.key)
    return "; ".join(_each(runs[runs.leaks.ne("")]))


def _each(runs: pd.DataFrame) -> list[str]:
    """Return different leaks; of several draws of rows the one that most runs have."""
    counted = runs.leaks.value_counts()
    return list(dict.fromkeys(leak for leaks in counted.index for leak in leaks.split("; ")))
