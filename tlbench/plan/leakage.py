"""Rows that a target is scored on and that its experiment trains on, of any of its tasks.

A gain from a support that holds the target's dev rows is no transfer.
"""

from collections.abc import Collection, Iterable

import numpy as np

from tlbench.data.row_digests import Digests, column, row_digests
from tlbench.data.sources import Split, final_split, splits
from tlbench.data.subsampling import draw
from tlbench.errors import UserError
from tlbench.plan.leak import Leak
from tlbench.plan.stage import TaskSubset

_MOST = 0.1  # of the rows of a split


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
    for name, rows in _scored(target, cache_dir).items():
        for subset in (target, *supports):
            train = splits(subset.task)["train"]
            drawn = draw(subset.count, subset.rows["train"], subset.seed)
            exact, normalised = (
                int(np.isin(rows[kind], _digests(train, cache_dir, kind)[drawn]).sum())
                for kind in ("exact", "normalised")
            )
            if normalised:
                found.append(Leak(name, len(rows["exact"]), subset.name, exact, normalised))
    return tuple(found)


def _scored(target: TaskSubset, cache_dir: str) -> dict[str, dict[str, Digests]]:
    """Return the digests of the rows that are scored, by split and kind."""
    by_name = splits(target.task)
    used = {
        name: (by_name[name], draw(count, target.rows[name], target.seed))
        for name, count in target.dev_count.items()
    }
    if (test := final_split(target.task)) is not None:
        used["test"] = (test, np.arange(target.test_rows))
    return {
        name: {kind: _digests(split, cache_dir, kind)[rows] for kind in ("exact", "normalised")}
        for name, (split, rows) in used.items()
    }


def _digests(split: Split, cache_dir: str, kind: str) -> Digests:
    if (split.key, kind) not in _known:
        digests = row_digests(split.load(cache_dir), cache_dir)
        _known[split.key, kind] = column(digests, kind)
    return _known[split.key, kind]


# A sweep plans all experiments of a few tasks.
_known: dict[tuple[str, str], Digests] = {}


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
