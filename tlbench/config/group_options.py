"""What the options of config groups have for keys, for sentences about a key that one lacks."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from tlbench.config.chosen import chosen, parsed
from tlbench.config.identity import unresolved
from tlbench.config.keys import Key, declared, is_under
from tlbench.config.overrides import is_key, options, read_first
from tlbench.config.schema import Config
from tlbench.config.search_path import config_dirs
from tlbench.config.suggestions import is_synonym
from tlbench.errors import UserError

_OF_HYDRA = ("hydra/launcher", "hydra/sweeper")
_ABOUT = ("name", "label", "_target_")  # what an option has that says which one it is
_ALIKE = 0.85  # of difflib's ratio: seeds is meant for seed, whatever sweeper has seeds


def refusal_of(key: str, arguments: Sequence[str]) -> str | None:
    """Return a sentence about a key that the chosen option of its group lacks.

    Returns:
        None of a key that is below no group.
    """
    group = next((one for one in _OF_HYDRA if is_under(key, [one.replace("/", ".")])), None)
    group = group or key.partition(".")[0]
    inside = key[len(group) + 1 :]
    by_option = {name: _keys(group, name) for name in _options(group)}
    if not by_option or not inside:
        return None
    having = [name for name, keys in by_option.items() if inside in keys]
    lacking = [name for name in _chosen(arguments, group) if name not in having]
    subject = f"{group}={lacking[0]} has no {inside}" if lacking else f"no {group} is chosen"
    if having:
        return f"Change {key}: {subject}; {_listed(having)}."
    if any(k.is_open and is_under(key, [k.name]) and k.name != group for k in _declared()):
        return f"Write +{key}=<value>: {subject} yet."
    own = [name for name in by_option.get(lacking[0], ()) if name not in _ABOUT] if lacking else []
    same = [name for name in own if name.rpartition(".")[2] == inside.rpartition(".")[2]]
    close = same or get_close_matches(inside, own, 1)
    meant = f"{key[: len(group)]}.{close[0]}" if close else None
    names = ", ".join(sorted(name for name in own if "." not in name))
    ending = f"did you mean {meant}?" if meant else f"it has {names or 'none of its own'}."
    return f"Change {key}: {subject}; {ending}"


def check_no_option_of_hydra(arguments: Sequence[str]) -> None:
    """Refuse a key that there is not, where the chosen sweeper or launcher has one of that name.

    Raises:
        UserError: with the key of Hydra's that is meant.
    """
    known = {key.name.rpartition(".")[2] for key in _declared()}
    for override in filter(None, map(parsed, arguments)):
        name = override.key_or_group
        word = name.rpartition(".")[2]
        if is_key(name) or options(name) or name.startswith("hydra") or is_synonym(word):
            continue
        is_near = bool(get_close_matches(word, known, 1, _ALIKE))
        for group, option, is_chosen in _of_hydra(arguments):
            # The very word of what is chosen is meant sooner than one that is like it.
            if (is_chosen or not is_near) and word in _keys(group, option):
                of = "" if is_chosen else f" of {group}={option}"
                raise UserError(
                    f"Change {name}: there is no such key; did you mean "
                    f"{group.replace('/', '.')}.{word}{of}?"
                )


def _of_hydra(arguments: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield the sweepers and launchers, those that are chosen first."""
    for is_chosen in (True, False):
        for group in _OF_HYDRA:
            for option in _options(group):
                if (option in _chosen(arguments, group)) == is_chosen:
                    yield group, option, is_chosen


def _chosen(arguments: Sequence[str], group: str) -> list[str]:
    """Return the options of a group that are chosen; of Hydra's the one that it takes itself."""
    return chosen(arguments, group) or (["basic"] if group in _OF_HYDRA else [])


def _declared() -> list[Key]:
    return list(declared(Config).values())


def _options(group: str) -> list[str]:
    """Return the options of a group of ours, or of Hydra's and its plugins'."""
    if group not in _OF_HYDRA:
        return options(group)
    files = (file.stem for folder in config_dirs() for file in folder.glob(f"{group}/*.yaml"))
    return sorted({*files, *(name.removesuffix(".yaml") for name in _stored(group))})


def _stored(group: str) -> Mapping[str, Any]:
    """Return what Hydra and its plugins have registered as options of a group of Hydra's."""
    Plugins.instance()
    node: Any = ConfigStore.instance().repo
    for part in group.split("/"):
        node = node.get(part, {})
    return dict(node)


def _keys(group: str, option: str) -> set[str]:
    """Return the dotted keys of an option, those of the options that it is made from among them."""
    file = read_first(group, option)
    if file is None:
        stored = _stored(group).get(f"{option}.yaml")
        return set(_flat(OmegaConf.to_container(stored.node, resolve=False))) if stored else set()
    content = unresolved(file)
    bases = [name for name in content.pop("defaults", None) or () if isinstance(name, str)]
    # Of options that set keys beside those of their group, as sweepers and large encoders do.
    own = content.get(group.rpartition("/")[2])
    keys = set(_flat(own if isinstance(own, dict) else content))
    for base in bases:
        if base != "_self_":
            keys |= _keys(group, base.partition("@")[0])
    return keys


def _flat(plain: Any, above: str = "") -> Iterator[str]:
    for name, value in plain.items():
        yield f"{above}{name}"
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")


def _listed(names: Sequence[str]) -> str:
    """Return ``ties has``, or ``task_arithmetic and ties have``."""
    *first, last = names
    return f"{', '.join(first)} and {last} have" if first else f"{last} has"
