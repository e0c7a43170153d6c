"""What a tuned sweep searches: the combinations of values that every candidate is given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from tlbench.config.identity import flatten
from tlbench.config.schema import SEEDS
from tlbench.errors import UserError
from tlbench.plan.experiment import TUNABLE
from tlbench.sweep.compose import key_of


@dataclass(frozen=True)
class Search:
    """The values to choose from, and how many combinations of them are tried.

    Attributes:
        grid: by dotted key of the config the values that it is given.
        trials: how many combinations each candidate gets; None for all.
        seed: of every trial, and of the draw of combinations.
    """

    grid: Mapping[str, Sequence[Any]]
    trials: int | None
    seed: int

    @classmethod
    def of(cls, grid: Any, trials: int | None, seed: int) -> "Search":
        """Return the search of a sweeper's options.

        Raises:
            UserError: if there is nothing to choose from, or a key that can't be tuned.
        """
        by_key = dict(flatten(grid)) if isinstance(grid, Mapping) else {}
        if not by_key:
            raise UserError(
                "Add 'hydra.sweeper.tune={optim.lr: [1e-5, 3e-5, 1e-4]}', or which keys else are "
                "chosen for each candidate, and from which values."
            )
        for key, values in by_key.items():
            _check_values(key, values)
        if trials is not None and trials < 1:
            raise UserError(
                f"Change hydra.sweeper.trials: {trials} is none; null tries all combinations."
            )
        if not 0 <= seed < SEEDS:
            raise UserError(f"Change hydra.sweeper.tuning_seed: {seed} is no seed.")
        return cls(by_key, trials, seed)

    @cached_property
    def combinations(self) -> tuple[dict[str, Any], ...]:
        """The values by key of every trial, the same for all candidates, in the grid's order."""
        shape = [len(values) for values in self.grid.values()]
        places: Iterable[int] = range(prod(shape))
        if self.trials is not None and self.trials < prod(shape):
            drawn = np.random.default_rng(self.seed).choice(prod(shape), self.trials, replace=False)
            places = sorted(map(int, drawn))
        return tuple(self._at(np.unravel_index(place, shape)) for place in places)

    def _at(self, indices: Iterable[Any]) -> dict[str, Any]:
        pairs = zip(self.grid.items(), indices, strict=True)
        return {key: values[int(index)] for (key, values), index in pairs}

    def check_axes(self, axes: Sequence[Sequence[str]]) -> None:
        """Refuse a value on the command line for what is chosen.

        Raises:
            UserError: naming it.
        """
        for words in axes:
            key = key_of(words[0])
            if key in self.grid:
                raise UserError(f"Leave out {words[0]}: hydra.sweeper.tune chooses {key}.")
            if key.partition(".")[0] == "tuned":
                raise UserError(f"Leave out {words[0]}: this sweeper says itself what it chooses.")


def _check_values(key: str, values: Any) -> None:
    """Refuse a key that no candidate can have a value of its own of, and what is no choice.

    Raises:
        UserError: naming the key.
    """
    if key not in TUNABLE:
        raise UserError(
            f"Change hydra.sweeper.tune: {key} can't be tuned; there are {', '.join(TUNABLE)}."
        )
    if not isinstance(values, list) or not values:
        raise UserError(f"Change hydra.sweeper.tune: give {key} a list of values, as [1, 2].")
    if twice := [value for value in values if values.count(value) > 1]:
        raise UserError(f"Change hydra.sweeper.tune: {key} has {twice[0]} twice.")
