"""What a race chooses from: candidates, and the seeds that it gives them as it goes."""

from collections.abc import Sequence

from tlbench.config.keys import is_under
from tlbench.errors import UserError
from tlbench.records.definitions import BASELINE, PARTS, VARIANTS

SEED, STRATEGY = "seed", "strategy"
_STRATEGIES = ("stilts", "mtl")  # where none is named
# A study compares their values; those of every other key would be several studies.
_RACED = ("target_task", "support_task", STRATEGY, *PARTS, *VARIANTS, "subsample_size")


def race_axes(axes: Sequence[Sequence[str]], seeds: int) -> list[list[str]]:
    """Return the overrides to choose from, key by key, with ``single`` and every seed.

    Args:
        axes: those of the command line and of an experiment's parameters.
        seeds: how many there are.

    Raises:
        UserError: if one has several values of what makes several studies.
    """
    by_key = {_key(axis[0]): list(axis) for axis in axes}
    by_key.pop(SEED, None)
    for key, options in by_key.items():
        if len(options) > 1 and not is_under(key.replace("/", "."), _RACED):
            raise UserError(
                f"Change {key}: a race compares candidates under one protocol, so {key} has one "
                "value in it."
            )
    named = by_key.pop(STRATEGY, [f"{STRATEGY}={name}" for name in _STRATEGIES])
    baseline = f"{STRATEGY}={BASELINE}"
    strategies = [baseline, *(one for one in named if one != baseline)]
    return [[f"{SEED}={seed}" for seed in range(seeds)], strategies, *by_key.values()]


def check_no_seed(arguments: Sequence[str]) -> None:
    """Refuse seeds on the command line of a race.

    Raises:
        UserError: if there are any.
    """
    for word in arguments:
        if _key(word).lstrip("+") == SEED:
            raise UserError(
                f"Leave out {word}: a race gives candidates their seeds one after the other; "
                "hydra.sweeper.seeds is how many at most."
            )


def _key(word: str) -> str:
    return word.partition("=")[0]
