"""Batches of candidates: those that were asked for after results of others could be seen.

Whoever looks at a study and then adds a candidate has one more chance to find what is not there.
So candidates that were there from the start share most of the permitted error, and every later
batch gets half of what is left of a reserve. All shares sum to 1, as those of ``looks`` do.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from tlbench.analysis.looks import LOOKS

_FIRST = 0.9  # the share of those that were there from the start

Key = tuple[str, str, str, int]


def share(batch: int) -> float:
    """Return what part of the error a batch may spend; the first one is 0."""
    return _FIRST if batch == 0 else (1 - _FIRST) / 2**batch


def batches(by_candidate: Mapping[Key, pd.DataFrame]) -> dict[Key, int]:
    """Return by candidate its batch.

    A new batch begins with a candidate that was first asked for when of the batch before it two
    candidates could be compared already. One that says of no run when it was asked for, as older
    records do not, was there from the start.

    Args:
        by_candidate: the runs of each, with ``batch`` where the table says it, else with ``asked``
            and ``finished``, times as records have them.
    """
    if all("batch" in runs for runs in by_candidate.values()):
        return {key: int(runs.batch.min()) for key, runs in by_candidate.items()}
    first_asked = {
        key: "" if runs.asked.isna().any() else str(runs.asked.min())
        for key, runs in by_candidate.items()
    }
    found: dict[Key, int] = {}
    batch = 0
    for key in sorted(by_candidate, key=lambda one: first_asked[one]):
        members = [one for one in found if found[one] == batch]
        at = first_asked[key]
        if at and _can_compare(by_candidate, members, list(found), at):
            batch += 1
        found[key] = batch
    return found


def _can_compare(
    by_candidate: Mapping[Key, pd.DataFrame], members: Sequence[Key], known: Sequence[Key], at: str
) -> bool:
    """Whether, at a time, one of a batch and another of all known have reached a look."""
    there = [
        one for one in known if (by_candidate[one].finished.fillna("") <= at).sum() >= LOOKS[0]
    ]
    return len(there) > 1 and any(one in there for one in members)
