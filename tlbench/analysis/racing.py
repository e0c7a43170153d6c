"""Which candidates of a race go on: those whose score may be the highest, as far as it is known.

After each round the scores that there are give a belief about every candidate's true score, and
the next round is of those of the highest upper bound: a mean that is high, or known little of. The
bound of the belief is one posterior standard deviation (upper confidence bounds in Bayesian form,
Kaufmann, Cappe and Garivier 2012).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tlbench.analysis.candidates import Runs
from tlbench.analysis.shrinkage import Posterior, posterior
from tlbench.records.definitions import BASELINE

# What one seed says of its spread is nothing. Until the seeds of a target say more, it is taken for
# 2.5 points, that of the study in notebooks/, with the weight of five runs.
_SPREAD, _WEIGHT = 0.025, 4.0
# How much of what candidates' true scores differ by they share with those of the same strategy, and
# of the same support. Any of 0 to 0.6 gave nearly the same regret; see docs/guide/race.md.
_STRATEGY, _SUPPORT = 0.2, 0.4
_COLLAPSES = 4.0  # runs that the rate of collapses of others counts as

Array = NDArray[np.float64]


def in_order(runs: Sequence[Runs]) -> list[int]:
    """Return the places of candidates, that of the highest upper bound first.

    Args:
        runs: of every candidate of a target; those without a score come last.
    """
    scored = [at for at, one in enumerate(runs) if len(one.scores)]
    belief = believed([runs[at] for at in scored])
    bounds = dict(zip(scored, belief.means + belief.errors, strict=True))
    return sorted(range(len(runs)), key=lambda at: bounds.get(at, -np.inf), reverse=True)


def believed(runs: Sequence[Runs]) -> Posterior:
    """Return what is believed of the true scores of candidates, each with one seed or more.

    The rows of dev have no part in it: no further seed makes them others.
    """
    expected, counts = _expected(runs)
    return posterior(expected, np.diag(_variance(runs) / counts), _kinship(runs))


def _expected(runs: Sequence[Runs]) -> tuple[Array, Array]:
    """Return each one's mean score, and how many runs that is worth, (candidates,) each.

    Collapses come by chance: one in a run or two says little of its candidate alone. So each has
    them at a rate that is drawn towards that of its strategy, and this to that of all.
    """
    nothing = [one.learned_nothing for one in runs]
    if not np.concatenate(nothing).any():
        return np.array([one.scores.mean() for one in runs]), np.array([len(n) for n in nothing])
    floor = np.concatenate([one.scores[n] for one, n in zip(runs, nothing, strict=True)]).mean()
    others = [one.scores[~n] for one, n in zip(runs, nothing, strict=True)]
    means = np.array([scores.mean() if len(scores) else floor for scores in others])
    rates = _rates([one.key[0] for one in runs], nothing)
    return (1 - rates) * means + rates * floor, np.array([max(len(s), 0.5) for s in others])


def _rates(strategies: Sequence[str], nothing: Sequence[NDArray[np.bool_]]) -> Array:
    lost, runs = (np.array([f(n) for n in nothing], float) for f in (np.sum, len))
    overall = lost.sum() / runs.sum()
    alike = np.array([[one == other for other in strategies] for one in strategies], float)
    of_strategy = (alike @ lost + _COLLAPSES * overall) / (alike @ runs + _COLLAPSES)
    return np.asarray((lost + _COLLAPSES * of_strategy) / (runs + _COLLAPSES))


def _variance(runs: Sequence[Runs]) -> float:
    """Return the variance of a run's score over seeds, of those that have not collapsed."""
    learned = [one.scores[~one.learned_nothing] for one in runs]
    squares = sum(float(((s - s.mean()) ** 2).sum()) for s in learned if len(s))
    freedom = sum(max(len(scores) - 1, 0) for scores in learned)
    return (_WEIGHT * _SPREAD**2 + squares) / (_WEIGHT + freedom)


def _kinship(runs: Sequence[Runs]) -> Array:
    """Return the prior correlation of true scores, (candidates, candidates)."""
    strategies, supports = ([one.key[at] for one in runs] for at in (0, 2))
    alike = np.eye(len(runs))
    for i, j in np.ndindex(alike.shape):
        if i != j and BASELINE not in (strategies[i], strategies[j]):
            same = strategies[i] == strategies[j], supports[i] == supports[j]
            alike[i, j] = _STRATEGY * same[0] + _SUPPORT * same[1]
    return alike
