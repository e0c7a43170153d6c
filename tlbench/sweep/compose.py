"""The configs of a sweep's combinations, thousands in seconds.

Composing one takes Hydra a tenth of a second. So every option of every axis is composed once,
and since an axis as a rule changes only the key that it is named after, a combination is put
together from those keys. Axes that change more (``experiment``, or ``suite``, which the tasks'
sources follow) are composed in all their combinations.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, open_dict

from tlbench.config.identity import unresolved
from tlbench.config.schema import Config
from tlbench.config.validation import parse_config

Options = tuple[str, ...]  # one override of every axis, or of some of them


@dataclass(frozen=True)
class Combination:
    """The overrides of one job and what Hydra composes from them.

    Attributes:
        plain: the config with interpolations as they are written.
        config: the same resolved and checked.
    """

    overrides: Options
    plain: dict[str, Any]
    config: Config


class Composer:
    """Composes as Hydra does for a job, but every choice of groups only once."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        self.loader = loader
        self.master = master
        self.parser = OverridesParser.create()
        self.values: dict[str, Override | None] = {}
        self.grounds: dict[Options, tuple[DictConfig, DictConfig]] = {}

    def __call__(self, overrides: Options) -> Combination:
        """Compose one job.

        Raises:
            UserError: if a value has the wrong type.
        """
        values = {text: self._value(text) for text in overrides}
        groups = tuple(text for text, value in values.items() if value is None)
        ground, whole = self._ground(groups)
        cfg = deepcopy(ground)
        ConfigLoaderImpl._apply_overrides_to_config([v for v in values.values() if v], cfg)
        HydraConfig.instance().set_config(whole)  # as in the job: ${hydra:...} may be used
        return Combination(overrides, unresolved(cfg), parse_config(cfg))

    def _ground(self, groups: Options) -> tuple[DictConfig, DictConfig]:
        """A config with these options of groups, without and with the node ``hydra``."""
        if groups not in self.grounds:
            whole = self.loader.load_sweep_config(self.master, list(groups))
            ground = deepcopy(whole)
            with open_dict(ground):
                del ground["hydra"]
            self.grounds[groups] = ground, whole
        return self.grounds[groups]

    def _value(self, text: str) -> Override | None:
        """An override of a value; None if it chooses an option of a group."""
        if text not in self.values:
            override = self.parser.parse_override(text)
            options = self.loader.get_group_options(override.key_or_group, ObjectType.CONFIG)
            is_group = options and not isinstance(override.value(), dict)
            self.values[text] = None if is_group else override
        return self.values[text]


def combine(
    axes: Sequence[Sequence[str]], composer: Callable[[Options], Combination]
) -> Iterator[Combination]:
    """Every combination of one override of each axis, in the order of Hydra's own sweeper."""
    compose = cache(composer)
    roots = _by_root(axes)
    tables: dict[Options, _Table] = {}
    together: set[str] = set()
    while True:
        outer = [i for root in together for i in roots[root]]
        inner = {root: places for root, places in roots.items() if root not in together}
        choices = product(*(axes[i] for i in outer))
        tables = {
            c: _Table(axes, inner, dict(zip(outer, c, strict=True)), compose) for c in choices
        }
        crossing = {root for table in tables.values() for root in table.crossing}
        if not crossing:
            break
        together |= crossing
    for overrides in product(*axes):
        yield tables[tuple(overrides[i] for i in outer)].combination(overrides)


def _by_root(axes: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """The places of the axes that have a choice, by the top-level key that they are named after."""
    roots: dict[str, list[int]] = {}
    for i, axis in enumerate(axes):
        if len(axis) > 1:
            key = axis[0].partition("=")[0].lstrip("+~")
            for end in "@./":
                key = key.partition(end)[0]
            roots.setdefault(key, []).append(i)
    return roots


class _Table:
    """The composed options of the inner axes, with the outer axes at one choice.

    Attributes:
        crossing: the inner axes that change another key than the one they are named after.
    """

    def __init__(
        self,
        axes: Sequence[Sequence[str]],
        inner: dict[str, list[int]],
        outer: dict[int, str],
        compose: Callable[[Options], Combination],
    ) -> None:
        first = [outer.get(i, axis[0]) for i, axis in enumerate(axes)]
        self.inner = inner
        self.base = compose(tuple(first))
        self.found: dict[tuple[str, Options], Combination] = {}
        self.crossing = set()
        for root, places in inner.items():
            for options in product(*(axes[i] for i in places)):
                changed = list(first)
                for i, option in zip(places, options, strict=True):
                    changed[i] = option
                found = compose(tuple(changed))
                self.found[root, options] = found
                if root not in self.base.plain or self._changes(found) - {root}:
                    self.crossing.add(root)

    def _changes(self, other: Combination) -> set[str]:
        keys = self.base.plain.keys() | other.plain.keys()
        return {
            key
            for key in keys
            if self.base.plain.get(key) != other.plain.get(key)
            or getattr(self.base.config, key) != getattr(other.config, key)
        }

    def combination(self, overrides: Options) -> Combination:
        parts = {
            root: self.found[root, tuple(overrides[i] for i in places)]
            for root, places in self.inner.items()
        }
        plain = {root: part.plain[root] for root, part in parts.items()}
        config = {root: getattr(part.config, root) for root, part in parts.items()}
        return Combination(overrides, self.base.plain | plain, replace(self.base.config, **config))
