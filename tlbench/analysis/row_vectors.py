"""How the scores of a target's runs vary with dev's rows, computed once for all that asks it."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.collect import done
from tlbench.analysis.row_noise import deviations
from tlbench.analysis.saved import Predictions, usable
from tlbench.records.predictions import Saved
from tlbench.tasks.kinds import ONE_PROBABILITY, ranks
from tlbench.tasks.tag_metrics import COUNTS

SIZE = ["target", "target_rows"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RowVectors:
    """What is known of the rows of one target, at one size of it.

    Attributes:
        by_run: how each run's score varies with the rows; see ``row_noise.deviations``. A run
            without usable predictions has none.
        rows: how many dev has.
        constant: the runs that say the same of every row.
    """

    by_run: Mapping[Hashable, Array]
    rows: int
    constant: frozenset[Hashable] = frozenset()

    def of(self, runs: Iterable[Hashable]) -> Array | None:
        """Return the vectors of runs, (runs, any); None if one is missing."""
        known = [self.by_run.get(run) for run in runs]
        vectors = [vector for vector in known if vector is not None]
        return np.array(vectors) if len(vectors) == len(known) else None


def row_vectors(table: pd.DataFrame, predictions: Predictions) -> dict[tuple[str, int], RowVectors]:
    """Return by target and size what is known of the rows.

    Args:
        table: records, as ``collect`` gives them.
        predictions: of its runs, and of others maybe.
    """
    groups = done(table).groupby(SIZE, sort=False)
    return {size: _of_size(scored, predictions) for size, scored in groups}


def _is_constant(saved: Saved, by_order: bool) -> bool:
    """Return whether a run says the same of every row, as ``tlbench.tasks.scores.collapsed``."""
    if saved.counts is not None:
        one_tag = saved.counts[:, COUNTS.index("one_tag")]
        return bool((one_tag >= 0).all() and np.ptp(one_tag) == 0)
    if by_order and saved.probabilities is not None:
        return bool((np.ptp(saved.probabilities, axis=0) <= ONE_PROBABILITY).all())
    return bool((np.ptp(saved.predictions, axis=0) == 0).all())


def _of_size(scored: pd.DataFrame, predictions: Predictions) -> RowVectors:
    saved = usable(scored, predictions)
    if not saved:
        return RowVectors({}, int(scored.dev_rows.max()))
    kept = list(saved.values())
    vectors = deviations(str(scored.metric.iloc[0]), kept)
    by_order = ranks(str(scored.metric.iloc[0]))
    constant = (run for run, one in saved.items() if _is_constant(one, by_order))
    return RowVectors(
        {} if vectors is None else dict(zip(saved, vectors, strict=True)),
        len(kept[0].rows),
        frozenset(constant),
    )
