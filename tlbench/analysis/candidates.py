"""The candidates of a target: what can be chosen for it, with the runs of each."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tlbench.analysis.batches import Key, batches
from tlbench.analysis.collect import done
from tlbench.analysis.row_vectors import RowVectors
from tlbench.records.definitions import BASELINE
from tlbench.tasks.worst_group import bases

CANDIDATE = ["strategy", "method", "support", "support_rows"]
_RANGES = dict.fromkeys(("accuracy", "balanced_accuracy", "auroc", "average_precision"), 1.0)
_RANGES |= dict.fromkeys(("f1", "macro_f1", "weighted_f1", "micro_f1", "sample_f1"), 1.0)
_RANGES |= dict.fromkeys(("entity_f1", "entity_precision", "entity_recall"), 1.0)
_RANGES |= dict.fromkeys(("matthews", "pearson", "spearman"), 2.0)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Runs:
    """A candidate's runs.

    Attributes:
        key: strategy, method, support and its rows.
        scores: in the order of seeds, (seeds,), fractions.
        vectors: how each score varies with dev's rows, (seeds, any); None for a run without saved
            predictions. See ``row_noise.deviations``.
        without_score: how many were trained and have none; failed: how many could not be trained.
        collapsed: which say the same of every dev row, as far as it is known, (seeds,).
        majority: the score of such a run, of the most frequent label; NaN if not known.
        cost: passes trained for a run, their mean; NaN if not known.
        metric: what the score is the mean of, names joined by ``+``.
        kind: the target's, as its task says; empty where it does not.
        batch: of candidates that were asked for together; see ``batches``.
    """

    key: Key
    scores: Array
    vectors: list[Array | None]
    without_score: int
    collapsed: NDArray[np.bool_]
    majority: float
    cost: float
    metric: str
    batch: int = 0
    failed: int = 0
    kind: str = ""

    @property
    def widest(self) -> float:
        """The most that a gain can be, in either direction."""
        return max(_RANGES.get(name, np.inf) for name in bases(self.metric))

    @property
    def learned_nothing(self) -> NDArray[np.bool_]:
        """Which runs are no better than one word for all rows, (seeds,)."""
        return np.asarray(self.collapsed | (self.scores <= self.majority))

    def vectors_of(self, seeds: int) -> Array | None:
        """Return the vectors of the lowest-numbered seeds; None if one is missing."""
        vectors = [vector for vector in self.vectors[:seeds] if vector is not None]
        return np.array(vectors) if len(vectors) == seeds else None

    def row_bound(self, other: "Runs", rows: int) -> float:
        """Return the most that the standard error over rows of the mean difference can be.

        Of errors e1 and e2 no more than e1 + e2 of the rows can differ, so a row's difference g has
        a variance of at most e1 + e2 - g^2. NaN for scores that are no shares of rows.
        """
        shares = {"multilabel": ("accuracy",), "tagging": (), "mlm": ()}
        if self.metric not in shares.get(self.kind, ("accuracy", "micro_f1")) or not rows:
            return np.nan
        errors = 1 - self.scores.mean(), 1 - other.scores.mean()
        variance = sum(errors) - (errors[0] - errors[1]) ** 2
        return float(np.sqrt(max(variance, 0) / rows))


def scored_runs(table: pd.DataFrame, target: str, target_rows: int, key: Key) -> pd.DataFrame:
    """Return a candidate's records that have a score, by seed."""
    scored = done(table[(table.target == target) & (table.target_rows == target_rows)])
    return scored[(scored[CANDIDATE] == list(key)).all(axis=1)].sort_values("seed", kind="stable")


def runs_of(table: pd.DataFrame, vectors: RowVectors) -> list[Runs]:
    """Return the candidates of one target at one size, ``single`` first."""
    scored = done(table).sort_values("seed", kind="stable")
    of_candidate = dict(iter(scored.groupby(CANDIDATE)))
    every = dict(iter(table.groupby(CANDIDATE)))
    batch = batches(every)
    candidates = [
        _runs(key, runs, of_candidate.get(key, runs.iloc[:0]), vectors, batch[key])
        for key, runs in every.items()
    ]
    return sorted(candidates, key=lambda one: one.key[0] != BASELINE)


def _runs(
    key: Key, every: pd.DataFrame, scored: pd.DataFrame, vectors: RowVectors, batch: int
) -> Runs:
    return Runs(
        key=key,
        scores=scored.score.to_numpy(float),
        vectors=[vectors.by_run.get(run) for run in scored.index],
        without_score=int((~every.outcome.isin(["scored", "failed"])).sum()),
        collapsed=scored.collapsed.fillna(False).to_numpy(bool)
        | scored.index.isin(vectors.constant),
        majority=float(every.majority_score.mean()),
        cost=float(every.passes.mean()),
        metric=str(every.metric.iloc[0]),
        kind=str(every.kind.iloc[0]),
        batch=batch,
        failed=int((every.outcome == "failed").sum()),
    )
