"""What a race knows of a target: whether the answer is there, and who goes on if not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from tlbench.analysis.apart import Apart, apart
from tlbench.analysis.batches import Key
from tlbench.analysis.candidates import runs_of
from tlbench.analysis.collect import Records, table_of
from tlbench.analysis.judged import MATTERS, Candidate
from tlbench.analysis.leaks import of_best
from tlbench.analysis.looks import EVER, Looks
from tlbench.analysis.racing import in_order
from tlbench.analysis.row_vectors import SIZE, RowVectors, row_vectors
from tlbench.analysis.saved import Predictions, StoredPredictions
from tlbench.analysis.verdicts import LEVEL, NOTHING, Verdict, verdicts_of
from tlbench.records.record import ResultRecord

End = Literal["decided", "good enough", "open"]


@dataclass(frozen=True)
class Decision:
    """Where a race for one target stands.

    Attributes:
        matters: what is worse by less is as good, a fraction.
        end: ``decided``: all other candidates are excluded. ``good enough``: no candidate is better
            than ``choice`` by more than ``matters``. Both hold with the verdict's level, whatever
            was pursued, and at all looks together. Else ``open``.
        choice: what to take: the one that is decided; the cheapest that is good enough; else the
            verdict's best guess. None without any score.
        ranked: the keys of those that may be the best, that of the highest upper bound first: a
            round goes on with the first few. None at an end.
        not_pursued: the candidates that may still be the best and have fewer seeds than others.
        apart: what it would take to tell the best guess and its nearest rival apart; None at an
            end, and where that can't be computed.
        leaks: rows that leak to the best guess, in words; empty if none do.
    """

    verdict: Verdict
    matters: float
    end: End
    choice: Candidate | None
    ranked: tuple[Key, ...]
    not_pursued: tuple[Candidate, ...]
    apart: Apart | None = None
    leaks: str = ""

    @property
    def target(self) -> tuple[str, int]:
        """Its name and its train rows."""
        return self.verdict.target, self.verdict.target_rows


def race_decision(
    records: Records | pd.DataFrame | Iterable[ResultRecord],
    predictions: Predictions | None = None,
    looks: Looks | Sequence[int] | None = None,
    level: float = LEVEL,
    matters: float = MATTERS,
) -> list[Decision]:
    """Return where the race for every target and size of it stands, in the order of the records.

    It trains nothing and asks nobody: the records are all that it knows, so that it can be called
    on any table of runs, as simulated ones.

    Args:
        records: as ``verdict`` takes them. All candidates have to be among them, with a seed each;
            what was left behind stays there.
        predictions: those of the records, for bounds that count the rows' chance; None: what the
            records have beside them.
        looks: when the race is judged: numbers of seeds; None for those of every study.
        level: the confidence, a fraction.
        matters: the difference that does not matter, a fraction.
    """
    table = table_of(records)
    if predictions is None:
        packed = records.packed if isinstance(records, Records) else {}
        predictions = StoredPredictions(table, packed)
    if not isinstance(looks, Looks):
        looks = EVER if looks is None else Looks(tuple(looks))
    vectors = row_vectors(table, predictions)
    parts = [part for _, part in table.groupby(SIZE, sort=False)]
    verdicts = verdicts_of(table, vectors, level, looks)
    return [
        _decision(verdict, part, vectors, matters)
        for verdict, part in zip(verdicts, parts, strict=True)
    ]


def _decision(
    verdict: Verdict,
    table: pd.DataFrame,
    vectors: Mapping[tuple[str, int], RowVectors],
    matters: float,
) -> Decision:
    of_target = vectors.get((verdict.target, verdict.target_rows), NOTHING)
    runs = {one.key: one for one in runs_of(table, of_target)}
    kept, most = verdict.may_be_best, max(one.seeds for one in verdict.candidates)
    close = [one for one in kept if one.worse_by <= matters]  # the cheapest first
    behind = tuple(one for one in kept if one.seeds < most)
    leaks = of_best(verdict, table)
    if len(verdict.candidates) > 1 and close:
        end: End = "decided" if len(kept) == 1 else "good enough"
        return Decision(verdict, matters, end, close[0], (), behind, leaks=leaks)
    candidates = [runs[one.key] for one in kept]
    ranked = tuple(candidates[at].key for at in in_order(candidates))
    needed = apart(verdict, list(runs.values()), of_target.rows)
    return Decision(verdict, matters, "open", verdict.best, ranked, behind, needed, leaks)
