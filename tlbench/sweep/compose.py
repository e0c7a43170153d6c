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
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from tlbench.config.identity import unresolved
from tlbench.config.schema import Config
from tlbench.config.validation import parse_config
from tlbench.errors import UserError
from tlbench.sweep.references import ANY, referred

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
    """Composes as Hydra does for a job, but every choice of groups only once.

    Attributes:
        values: the parsed overrides of values; None for one that chooses an option of a group.
        bases: the configs that options of groups give, without and with the node ``hydra``.
        options: of every key that was asked for as a group.
        in_use: the config whose node ``hydra`` is set.
    """

    def __init__(self, loader: ConfigLoader, master_config: DictConfig) -> None:
        self.loader = loader
        self.master_config = master_config
        self.parser = OverridesParser.create()
        self.values: dict[str, Override | None] = {}
        self.bases: dict[Options, tuple[DictConfig, DictConfig]] = {}
        self.options: dict[str, list[str]] = {}
        self.in_use: DictConfig | None = None

    def __call__(self, overrides: Options) -> Combination:
        """Compose one job.

        Raises:
            UserError: if a value has the wrong type, or an option changes the sweep itself.
        """
        values = {text: self._value(text) for text in overrides}
        groups = tuple(text for text, value in values.items() if value is None)
        base, with_hydra = self._base(groups)
        cfg = deepcopy(base)
        # Hydra has no public function for this; test_compose.py compares with what it composes.
        ConfigLoaderImpl._apply_overrides_to_config([v for v in values.values() if v], cfg)
        if with_hydra is not self.in_use:  # to set one copies all of it
            HydraConfig.instance().set_config(with_hydra)  # as in the job, for ${hydra:...}
            self.in_use = with_hydra
        return Combination(overrides, unresolved(cfg), parse_config(cfg))

    def _base(self, groups: Options) -> tuple[DictConfig, DictConfig]:
        if groups not in self.bases:
            with_hydra = self._compose(groups)
            base = deepcopy(with_hydra)
            with open_dict(base):
                del base["hydra"]
            self.bases[groups] = base, with_hydra
        return self.bases[groups]

    def _compose(self, groups: Options) -> DictConfig:
        """Compose a job's config as ``load_sweep_config`` does.

        That one refuses a changed sweeper or launcher since Hydra 1.4, in a sentence that names
        no override, and before it ignored the change: a grid in an option would be lost.
        """
        master = self.master_config
        cfg = self.loader.load_configuration(
            config_name=master.hydra.job.config_name,
            overrides=[*master.hydra.overrides.hydra, *groups],
            run_mode=RunMode.RUN,
        )
        for node in ("launcher", "sweeper"):
            if unresolved(cfg.hydra[node]) != unresolved(master.hydra[node]):
                swept = ", ".join(sorted(set(groups) - set(master.hydra.overrides.task)))
                raise UserError(
                    f"Change {swept}: a sweep has one hydra.{node}, and this option would "
                    "change it; choose it alone, without others of its group."
                )
        OmegaConf.copy_cache(from_config=master, to_config=cfg)
        return cfg

    def _value(self, text: str) -> Override | None:
        """Return an override of a value; None if it chooses an option of a group."""
        if text not in self.values:
            override = self.parser.parse_override(text)
            options = self._options(override.key_or_group)
            is_group = options and not isinstance(override.value(), dict)
            self.values[text] = None if is_group else override
        return self.values[text]

    def _options(self, group: str) -> list[str]:
        """Return the options of a group; none of a key that is no group."""
        if group not in self.options:
            self.options[group] = self.loader.get_group_options(group, ObjectType.CONFIG)
        return self.options[group]


def combine(
    axes: Sequence[Sequence[str]], composer: Callable[[Options], Combination]
) -> Iterator[Combination]:
    """Yield every combination of one override of each axis, in the order of Hydra's own sweeper.

    Raises:
        UserError: see ``Composer``.
    """
    compose = cache(composer)
    roots = _by_root(axes)
    tables: dict[Options, _Table] = {}
    together: set[str] = set()
    # Each round moves the roots that change keys of others to the outer axes; at the end no
    # inner axis does, so that its options can be taken from the tables one by one.
    while True:
        outer = [i for root in together for i in roots[root]]
        inner = {root: places for root, places in roots.items() if root not in together}
        tables = {
            options: _Table(axes, inner, dict(zip(outer, options, strict=True)), compose)
            for options in product(*(axes[i] for i in outer))
        }
        crossing = {root for table in tables.values() for root in table.crossing}
        if not crossing:
            break
        together |= crossing
    for overrides in product(*axes):
        yield tables[tuple(overrides[i] for i in outer)].combination(overrides)


def key_of(override: str) -> str:
    """Return the key or group of an override, whether it changes, adds or removes that."""
    return override.partition("=")[0].lstrip("+~")


def _by_root(axes: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Return where the axes with a choice are, by the top-level key that they are named after."""
    roots: dict[str, list[int]] = {}
    for i, axis in enumerate(axes):
        if len(axis) > 1:
            key = key_of(axis[0])
            for end in "@./":
                key = key.partition(end)[0]
            roots.setdefault(key, []).append(i)
    return roots


class _Table:
    """The composed options of the inner axes, with the outer axes at one choice.

    Args:
        axes: all of them.
        inner: the places of the inner axes, by the key that they are named after.
        outer: the chosen overrides of the outer axes, by place.
        compose: composes one override of every axis.

    Attributes:
        crossing: the inner axes that change another key than the one they are named after, or
            whose own key follows one that another of them changes.
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
        self.composed: dict[tuple[str, Options], Combination] = {}
        self.crossing = set()
        for root, places in inner.items():
            for options in product(*(axes[i] for i in places)):
                overrides = list(first)
                for i, option in zip(places, options, strict=True):
                    overrides[i] = option
                combination = compose(tuple(overrides))
                self.composed[root, options] = combination
                if (
                    root not in self.base.plain
                    or self._changed_keys(combination) - {root}
                    or self._follows_others(root, combination)
                ):
                    self.crossing.add(root)

    def _follows_others(self, root: str, combination: Combination) -> bool:
        """Whether an option's own key refers to one that another inner axis changes."""
        named = referred(combination.plain[root])
        return bool(named & (self.inner.keys() | {ANY}) - {root}) and len(self.inner) > 1

    def _changed_keys(self, other: Combination) -> set[str]:
        """Return the top-level keys in which a combination differs, as written or resolved."""
        keys = self.base.plain.keys() | other.plain.keys()
        return {
            key
            for key in keys
            if self.base.plain.get(key) != other.plain.get(key)
            or getattr(self.base.config, key) != getattr(other.config, key)
        }

    def combination(self, overrides: Options) -> Combination:
        """Put a combination together: the base, and each inner key from its own option."""
        parts = {
            root: self.composed[root, tuple(overrides[i] for i in places)]
            for root, places in self.inner.items()
        }
        plain = {root: part.plain[root] for root, part in parts.items()}
        config = {root: getattr(part.config, root) for root, part in parts.items()}
        return Combination(overrides, self.base.plain | plain, replace(self.base.config, **config))
