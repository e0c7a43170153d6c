"""Refuses what can't be chosen or read in one sentence, before Hydra composes."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tlbench.config.bounds import check_bounds
from tlbench.config.identity import unresolved
from tlbench.config.keys import is_known, value_in
from tlbench.config.schema import Config
from tlbench.config.search_path import CONF_DIR, config_dirs
from tlbench.config.suggestions import unknown
from tlbench.errors import UserError

_OPTUNA = "hydra/sweeper=optuna"
# The options of Hydra's groups that need a plugin: its module, and our extra that installs it.
_PLUGINS = {
    "hydra/launcher=slurm": ("hydra_submitit_launcher", "slurm"),
    "hydra/launcher=submitit_slurm": ("hydra_submitit_launcher", "slurm"),
    "hydra/launcher=submitit_local": ("hydra_submitit_launcher", "slurm"),
    "hydra/launcher=joblib": ("hydra_joblib_launcher", "parallel"),
    "hydra/launcher=gpus": ("hydra_joblib_launcher", "parallel"),
    _OPTUNA: ("hydra_optuna_sweeper", "optuna"),
}


def check_choices(arguments: Sequence[str]) -> None:
    """Look at overrides that can be read; unknown keys and options are refused.

    Raises:
        UserError: naming the key, the group and its options, what to install, or an unreadable
            file.
    """
    for word in arguments:
        _check_plugin(word)
    overrides = OverridesParser.create().parse_overrides(list(arguments))
    check_keys(overrides)
    for override in overrides:
        group = override.key_or_group
        if not (known := options(group)):
            continue
        _check_form(override)
        for choice in choices(override):
            if not choice:
                raise UserError(f"Change {group}: give it a value; there are {', '.join(known)}.")
            if choice not in known:
                raise UserError(
                    f"Change {group}: there is no '{choice}'; there are {', '.join(known)}."
                )
            _check_option(group, choice, arguments)


def _check_form(override: Override) -> None:
    """Refuse to add what config.yaml has chosen, and another place than the group's own."""
    group, written = override.key_or_group, str(override.input_line)
    is_added = override.is_add() or override.is_force_add()
    if (CONF_DIR / group).is_dir() and (is_added or override.package is not None):
        raise UserError(f"Write {group}={written.partition('=')[2]}, not {written}.")


def _check_option(group: str, choice: str, arguments: Sequence[str]) -> None:
    """Refuse an option that can't have an effect as it is chosen."""
    first, *others = [
        file for place in _folders(group) if (file := place / f"{choice}.yaml").is_file()
    ]
    for other in others:  # Hydra would take the first and say nothing
        if other.read_bytes() != first.read_bytes():
            raise UserError(f"Rename {other}: {group}={choice} means {first}.")
    hydra = unresolved(read_option(first)).get("hydra")
    # Its file can't choose the sweeper: config.yaml has chosen.
    is_search = value_in(hydra, "sweeper.direction") is not None
    if group == "experiment" and is_search and _OPTUNA not in arguments:
        raise UserError(f"Add {_OPTUNA}: experiment={choice} is a search, not a grid.")
    if value_in(hydra, "searchpath") is not None:
        raise UserError(
            f"Leave out hydra.searchpath in {first} and add it to the command: Hydra takes it from "
            "there, or from the primary config (--config-name), alone."
        )


def check_keys(overrides: Iterable[Override]) -> None:
    """Refuse keys that there are not; Hydra would advise to add them, which is refused then.

    Raises:
        UserError: naming the key, and the one that may be meant.
    """
    for override in overrides:
        name = override.key_or_group
        is_hydras = name.partition(".")[0].partition("/")[0] == "hydra"
        if not (is_hydras or is_known(Config, name) or any(_folders(name))):
            raise UserError(unknown(name, groups()))


def is_key(name: str) -> bool:
    """Whether a name is a key or a config group."""
    return is_known(Config, name) or name in groups()


def groups() -> list[str]:
    """Return the config groups of ours and of the user."""
    folders = (path for folder in config_dirs() for path in folder.glob("*") if path.is_dir())
    return sorted({folder.name for folder in folders} - {"hydra"})


def _check_plugin(word: str) -> None:
    module, extra = _PLUGINS.get(word, ("", ""))
    if module and find_spec(f"hydra_plugins.{module}") is None:
        raise UserError(f"Install what {word} needs: pip install 'tlbench[{extra}]'.")


def options(group: str) -> list[str]:
    """The options of a config group of ours, sorted; none if it is no group."""
    if group.startswith("hydra/"):
        return []  # Hydra's and its plugins' own options stand beside ours
    return sorted({file.stem for folder in _folders(group) for file in folder.glob("*.yaml")})


def read_option(file: Path) -> DictConfig:
    """The content of an option's YAML file.

    Raises:
        UserError: if the file can't be read, or is not a mapping in YAML.
    """
    check_bounds(file)
    try:
        found = OmegaConf.load(file)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"Change {file}: it can't be read as YAML ({reason}).") from error
    if not isinstance(found, DictConfig):
        raise UserError(f"Change {file}: it is not a mapping of keys to values.")
    return found


def default_choices() -> dict[str, str]:
    """Return by config group the option that ``tlbench`` takes where none is chosen."""
    listed = unresolved(read_option(CONF_DIR / "config.yaml"))["defaults"]
    chosen = (pair for one in listed if isinstance(one, dict) for pair in one.items())
    return {str(group): str(option) for group, option in chosen}


def read_first(group: str, choice: str) -> DictConfig | None:
    """The file behind a choice, that of the first folder that has one, as Hydra takes it."""
    files = [folder / f"{choice}.yaml" for folder in _folders(group)]
    return next((read_option(file) for file in files if file.is_file()), None)


def _folders(group: str) -> list[Path]:
    """Where the options of a group are; every target task is a support task too."""
    groups = [group, "target_task"] if group == "support_task" else [group]
    places = (folder / name for name in groups for folder in config_dirs())
    return [place for place in places if place.is_dir()]


def choices(override: Override) -> Iterator[str]:
    """The options that an override chooses, those of a sweep one by one."""
    value: Any = override.value()
    if override.is_delete() or isinstance(value, dict | Glob):
        return  # a dict sets keys of the chosen option; a glob takes what there is
    found = value.list if isinstance(value, ChoiceSweep) else [value]
    for element in found:
        for choice in element if isinstance(element, list) else [element]:
            text = getattr(choice, "text", choice)  # a quoted string has its text inside
            yield "null" if text is None else str(text).removesuffix(".yaml")
