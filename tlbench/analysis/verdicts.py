"""The verdict on a target: the best guess, what is proved of it, and what may still be the best.

What is said holds for seeds and for the rows of dev (``contrasts``), for all of a target's
candidates at once (``quantiles``), and for whoever looks as the seeds come in (``looks``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tlbench.analysis.candidates import Runs, runs_of
from tlbench.analysis.chance import beats_chance
from tlbench.analysis.collect import Records, table_of
from tlbench.analysis.judged import Candidate, Proved
from tlbench.analysis.judging import with_belief, with_intervals, with_set
from tlbench.analysis.looks import EVER, Looks
from tlbench.analysis.row_vectors import SIZE, RowVectors, row_vectors
from tlbench.analysis.saved import Predictions, StoredPredictions
from tlbench.records.definitions import BASELINE
from tlbench.records.record import ResultRecord

LEVEL = 0.9
NOTHING = RowVectors({}, 0)  # of a target without any score


@dataclass(frozen=True)
class Verdict:
    """What to do for a target (at one of its sizes), and how sure that is.

    Attributes:
        level: with which every claim of it holds: the intervals of all candidates together, and
            that those that ``may_be_best`` hold the best one.
        candidates: the cheapest first.
        best: the best guess: of the candidates that lost no run and have two seeds (if any has),
            the one of the highest expected score; None without any score.
        majority: the score of always saying the most frequent label; NaN if not known.
        beats_chance: whether any candidate's mean is above that by more than its error.
    """

    target: str
    target_rows: int
    metric: str
    rows: int
    level: float
    candidates: tuple[Candidate, ...]
    best: Candidate | None
    majority: float
    beats_chance: bool

    @property
    def single(self) -> Candidate | None:
        """The target alone."""
        return next((one for one in self.candidates if one.strategy == BASELINE), None)

    @property
    def may_be_best(self) -> tuple[Candidate, ...]:
        """The candidates of which one is the best, at the level; the cheapest first."""
        return tuple(one for one in self.candidates if one.may_be_best)

    @property
    def is_tested(self) -> bool:
        """Whether any other candidate's gain over ``single`` was tested."""
        others = (one for one in self.candidates if one.strategy != BASELINE)
        return any(one.proved != "untested" for one in others)

    @property
    def proved(self) -> Proved:
        """What is proved of the best guess over ``single``."""
        return "untested" if self.best is None else self.best.proved


def verdict(
    records: Records | pd.DataFrame | Iterable[ResultRecord],
    predictions: Predictions | None = None,
    level: float = LEVEL,
    looks: Looks = EVER,
) -> list[Verdict]:
    """Return one verdict for every target and size of it, in the order of the records.

    Args:
        records: as ``collect`` gives them; or records; or any table with one row a run and the
            columns ``target``, ``strategy``, ``seed``, ``score`` (a fraction, NaN for none), and
            ``support`` for strategies that have one. What else ``Records.table`` has may be there:
            ``method``, sizes, ``metric`` (else accuracy), ``majority_score``, ``passes``; and
            ``batch``, of candidates that were asked for together (else by the times of records).
        predictions: by a run's label in the index of the table (records: their place), its row
            numbers, labels and predictions, each (rows,); see ``Saved``. None for those that the
            records' stores and files hold. Where there are none no word is proved.
        level: with which all that is said of a target holds.
        looks: when a growing study is judged.
    """
    table = table_of(records)
    if predictions is None:
        packed = records.packed if isinstance(records, Records) else {}
        predictions = StoredPredictions(table, packed)
    return verdicts_of(table, row_vectors(table, predictions), level, looks)


def verdicts_of(
    table: pd.DataFrame,
    vectors: Mapping[tuple[str, int], RowVectors],
    level: float = LEVEL,
    looks: Looks = EVER,
) -> list[Verdict]:
    """Return the verdicts of a table as ``collect`` makes it, given what is known of rows."""
    groups = table.groupby(SIZE, sort=False)
    return [_of_target(runs, vectors.get(size, NOTHING), level, looks) for size, runs in groups]


def _of_target(table: pd.DataFrame, vectors: RowVectors, level: float, looks: Looks) -> Verdict:
    runs, rows, error = runs_of(table, vectors), vectors.rows, 1 - level
    candidates = [_described(one, looks) for one in runs]
    candidates = with_intervals(candidates, runs, rows, error, looks)
    candidates = with_set(candidates, runs, rows, error, looks)
    candidates = with_belief(candidates, runs, rows)
    majority = float(table.majority_score.mean())
    cheapest_first = sorted(candidates, key=lambda one: np.nan_to_num(one.cost))
    return Verdict(
        target=str(table.target.iloc[0]),
        target_rows=int(table.target_rows.iloc[0]),
        metric=str(table.metric.iloc[0]),
        rows=rows,
        level=level,
        candidates=tuple(cheapest_first),
        best=_best_guess(candidates),
        majority=majority,
        beats_chance=beats_chance(runs, majority, rows, error),
    )


def _described(runs: Runs, looks: Looks) -> Candidate:
    strategy, method, support, support_rows = runs.key
    return Candidate(
        strategy=strategy,
        method=method,
        support=support,
        support_rows=support_rows,
        seeds=len(runs.scores),
        without_score=runs.without_score,
        failed=runs.failed,
        collapsed=int(runs.collapsed.sum()),
        batch=runs.batch,
        look=looks.latest(len(runs.scores)),
        score=runs.scores.mean() if len(runs.scores) else np.nan,
        cost=runs.cost,
    )


def _best_guess(candidates: list[Candidate]) -> Candidate | None:
    scored = [one for one in candidates if one.seeds]
    if not scored:
        return None
    # One that lost runs may look better than it is. One of fewer seeds than others is shrunk more;
    # with one seed nothing is known of its spread.
    complete = [one for one in scored if not (one.without_score or one.failed)] or scored
    # More than ``single`` has say nothing yet: a growing study has them of whatever ends first.
    of_single = [one.seeds for one in scored if one.strategy == BASELINE]
    tried = [one for one in complete if min([one.seeds, *of_single]) > 1] or complete
    return max(tried, key=lambda one: one.score if np.isnan(one.shrunk) else one.shrunk)
