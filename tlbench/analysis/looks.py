"""Fixed looks at a growing study, so that looking after every seed costs no certainty.

Whoever looks at a study as its seeds come in has several chances to see a difference that is none.
So intervals stand only at fixed numbers of seeds: between two of them the last one stands, on the
lowest-numbered seeds. Each spends a fixed share of the permitted error, and all shares sum to 1: by
Bonferroni's inequality all intervals that anybody ever sees hold together at the level (the error
spending of Lan and DeMets 1983, in its simplest form).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tlbench.errors import UserError

# After how many seeds, and the share of the error. Two seeds say next to nothing at any share;
# five are what most studies run.
_SHARES = {2: 0.03, 3: 0.17, 5: 0.40, 8: 0.10, 10: 0.20}
_LAST = max(_SHARES)
LOOKS = tuple(_SHARES)  # and after them at twice as many seeds each time


@dataclass(frozen=True)
class Looks:
    """When a study is judged.

    Attributes:
        at: after how many seeds; None: after ``LOOKS``, and then at twice as many each time,
            whatever is planned. Looks of one's own have to be chosen before any result is seen;
            after the last of them there is no other, so it spends all that is left.
    """

    at: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        at = self.at
        if at is not None and (not at or at[0] < 2 or any(a >= b for a, b in pairwise(at))):
            shown = ",".join(map(str, at))
            raise UserError(
                f"Change looks=[{shown}]: it must be numbers of seeds that increase, the first "
                "2 or more."
            )

    def latest(self, seeds: int) -> int:
        """Return the last look at or before a number of seeds; 0 where there is none yet."""
        if self.at is None and seeds >= 2 * _LAST:
            look = _LAST
            while 2 * look <= seeds:
                look *= 2
            return look
        return max((look for look in self.at or LOOKS if look <= seeds), default=0)

    def share(self, look: int) -> float:
        """Return what part of the error a look spends."""
        if self.at is None:
            return _share(look)
        before = [one for one in self.at if one < look]
        spent = _spent(before[-1]) if before else 0.0
        return (1.0 if look == self.at[-1] else _spent(look)) - spent


EVER = Looks()


def _share(look: int) -> float:
    """Return what a look of those without an end spends; after ``LOOKS`` each has half of it."""
    if look in _SHARES:
        return _SHARES[look]
    left, at = 1 - sum(_SHARES.values()), _LAST
    while at < look:
        at, left = 2 * at, left / 2
    return left


def _spent(seeds: int) -> float:
    """Return what part of the error is spent by a number of seeds, between looks in proportion."""
    at = [1, *LOOKS]
    while at[-1] < seeds:
        at.append(2 * at[-1])
    return float(np.interp(seeds, at, np.cumsum([0.0, *map(_share, at[1:])])))
