"""Reads the predictions of test rows that were saved with the scores of final weights."""

from collections.abc import Hashable

import pandas as pd

from tlbench.records.predictions import Saved, read_split, store_folder
from tlbench.store.final_scores import scores_folder


def final_predictions(table: pd.DataFrame) -> dict[Hashable, Saved]:
    """Return by record its predictions of test rows, of those that have any that are not gone.

    Args:
        table: of ``tlbench.analysis.collect``.
    """
    columns = table[["target", "stages", "store", "file", "metric", "test_digest"]]
    read = {index: _read(*texts) for index, *texts in columns.itertuples()}
    found = {index: saved for index, saved in read.items() if saved is not None}
    return {i: saved._replace(positive=int(table.positive[i])) for i, saved in found.items()}


def _read(
    target: str, stages: str, store_dir: str, file: str, metric: str, digest: str
) -> Saved | None:
    """Return a record's predictions.

    Args:
        target: the task.
        stages: the keys of the record's stages, of which the last predicts.
        store_dir: the store, as the record's config has it.
        file: the record's own.
        metric: what its score is the mean of, names joined by ``+``.
        digest: of the test rows; empty for none.
    """
    store = store_folder(store_dir, file)
    if not (digest and stages) or store is None:
        return None
    scored = scores_folder(store / stages.split()[-1], target, digest)
    return read_split(scored / "predictions" / f"{target}.parquet", "test", metric)
