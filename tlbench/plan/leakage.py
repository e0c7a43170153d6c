"""Rows that a target is scored on and that its experiment trains on, of any of its tasks.

A gain from a support that holds the target's dev rows is no transfer.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from tlbench.data.row_digests import Digests, column, row_digests
from tlbench.data.sources import Split, final_split, splits
from tlbench.data.subsampling import draw
from tlbench.errors import UserError
from tlbench.plan.leak import Leak
from tlbench.plan.stage import TaskSubset

_MOST = 0.1  # of the rows of a split
_KINDS = ("exact", "normalised")


def leaks(target: TaskSubset, supports: Iterable[TaskSubset], cache_dir: str) -> tuple[Leak, ...]:
    """Return which of the target's dev and test rows are also rows that an experiment trains on.

    Those of dev splits are the rows that are evaluated, and those of train the ones that are drawn.

    Args:
        target: whose rows are scored.
        supports: of the experiment.
        cache_dir: where digests of rows are kept.

    Returns:
        For every split and task that share rows, one.

    Raises:
        UserError: if ``cache_dir`` can't be written.
    """
    found = []
    for name, scored in _scored(target, cache_dir).items():
        for subset in (target, *supports):
            train = splits(subset.task)["train"]
            drawn = _drawn(train, subset.count, subset.rows["train"], subset.seed, cache_dir)
            exact, normalised = _shared(scored, drawn)
            if normalised:
                found.append(Leak(name, scored.count, subset.name, exact, normalised))
    return tuple(found)


@dataclass(frozen=True)
class _Drawn:
    """Rows of a split, whose digests are known by its key."""

    key: str
    count: int
    available: int
    seed: int

    def digests(self, kind: str) -> Digests:
        rows: Digests = _known[self.key, kind][draw(self.count, self.available, self.seed)]
        return rows


def _scored(target: TaskSubset, cache_dir: str) -> dict[str, _Drawn]:
    """Return the rows of the target that are scored, by split."""
    by_name, seed = splits(target.task), target.seed
    scored = {
        name: _drawn(by_name[name], count, target.rows[name], seed, cache_dir)
        for name, count in target.dev_count.items()
    }
    if (test := final_split(target.task)) is not None:
        scored["test"] = _drawn(test, target.test_rows, target.test_rows, seed, cache_dir)
    return scored


def _drawn(split: Split, count: int, available: int, seed: int, cache_dir: str) -> _Drawn:
    if (split.key, _KINDS[0]) not in _known:
        digests = row_digests(split.load(cache_dir), cache_dir)
        _known.update({(split.key, kind): column(digests, kind) for kind in _KINDS})
    return _Drawn(split.key, count, available, seed)


# A sweep plans many experiments of a few tasks.
_known: dict[tuple[str, str], Digests] = {}


@cache
def _shared(scored: _Drawn, trained: _Drawn) -> tuple[int, ...]:
    """Return how many rows that are scored are among those trained on, of each kind."""
    return tuple(int(np.isin(scored.digests(kind), trained.digests(kind)).sum()) for kind in _KINDS)


def check(found: Iterable[Leak], target: str, of_suite: Collection[str] = ()) -> None:
    """Refuse an experiment of which more than a tenth of a split leaks.

    Args:
        of_suite: tasks of one published suite. What they share (in GLUE, 48 of MRPC's 408 dev rows
            are in STS-B's train) is in all results on it, and is said.

    Raises:
        UserError: naming the split and the task that trains on its rows.
    """
    for leak in found:
        if leak.normalised > _MOST * leak.rows and not {target, leak.task} <= {*of_suite}:
            raise UserError(
                f"Change the rows of task '{leak.task}', or set allow_leakage=true: "
                f"{leak.normalised:,} of {leak.rows:,} {leak.split} rows of '{target}' are among "
                f"its train rows ({leak.exact:,} of them to the letter), so that a score says "
                "little of new rows."
            )
