"""Fixed looks at a growing study, so that looking after every seed costs no certainty.

Whoever looks at a study as its seeds come in has several chances to see a difference that is none.
So intervals stand only at fixed numbers of seeds, whatever is planned: between two of them the
last one stands, on the lowest-numbered seeds. Each spends a fixed share of the permitted error,
and all shares sum to 1: by Bonferroni's inequality all intervals that anybody ever sees hold
together at the level (the error spending of Lan and DeMets 1983, in its simplest form).
"""

# After how many seeds, and the share of the error. Two seeds say next to nothing at any share;
# five are what most studies run.
_SHARES = {2: 0.03, 3: 0.17, 5: 0.40, 8: 0.10, 10: 0.20}
_LAST = max(_SHARES)
LOOKS = tuple(_SHARES)  # and after them at twice as many seeds each time


def latest(seeds: int) -> int:
    """Return the last look at or before a number of seeds; 0 where there is none yet."""
    if seeds >= 2 * _LAST:
        look = _LAST
        while 2 * look <= seeds:
            look *= 2
        return look
    return max((look for look in LOOKS if look <= seeds), default=0)


def share(look: int) -> float:
    """Return what part of the error a look spends; those after the last of ``LOOKS`` halve it."""
    if look in _SHARES:
        return _SHARES[look]
    left, at = 1 - sum(_SHARES.values()), _LAST
    while at < look:
        at, left = 2 * at, left / 2
    return left
