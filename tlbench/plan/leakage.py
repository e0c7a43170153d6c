"""Rows that a target is scored on and that its experiment trains on, of any of its tasks.

A gain from a support that holds the target's dev rows is no transfer.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from tlbench.data.row_digests import Digests, column, row_digests
from tlbench.data.sources import final_split
from tlbench.data.split import Split
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
    # Rows that a stage writes are not there yet: it leaves out those of the target's splits itself.
    read = (subset for subset in (target, *supports) if subset.written_by is None)
    trained = [(s.name, _drawn(s, "train", s.count, cache_dir, s.skip)) for s in read]
    counts = target.dev_count | ({} if target.test_digest is None else {"test": target.test_rows})
    found = []
    for split, count in counts.items():
        scored = _drawn(target, split, count, cache_dir)
        for task, rows in trained:
            exact, normalised = _shared(scored, rows)
            if normalised:
                found.append(Leak(split, count, task, exact, normalised))
    return tuple(found)


@dataclass(frozen=True)
class _Drawn:
    """Rows of a split, whose digests are known by its key."""

    key: str
    count: int
    available: int
    seed: int
    skip: int

    def digests(self, kind: str) -> Digests:
        drawn = draw(self.count, self.available, self.seed, self.skip)
        rows: Digests = _known[self.key][kind][drawn]
        return rows


def _drawn(subset: TaskSubset, name: str, count: int, cache_dir: str, skip: int = 0) -> _Drawn:
    """Return rows of a split, with their digests in ``_known``."""
    keys, rows = subset.digests, subset.rows
    if name == "test":
        keys, rows = {name: str(subset.test_digest)}, {name: subset.test_rows}
    if keys[name] not in _known:
        split = final_split(subset.task) if name == "test" else subset.splits()[name]
        assert split is not None  # a subset knows the digest of rows that there are
        digests_of(split, cache_dir)
    return _Drawn(keys[name], count, rows[name], subset.seed, skip)


def digests_of(split: Split, cache_dir: str) -> Mapping[str, Digests]:
    """Return of each kind the digests of all rows of a split.

    Raises:
        UserError: if ``cache_dir`` can't be written.
    """
    if split.key not in _known:
        digests = row_digests(split.load(cache_dir), cache_dir, split.title)
        _known[split.key] = {kind: column(digests, kind) for kind in _KINDS}
    return _known[split.key]


# By the key of a split and by kind, of all its rows: a sweep plans many experiments of a few tasks.
_known: dict[str, dict[str, Digests]] = {}


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
