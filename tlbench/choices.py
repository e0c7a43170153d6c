"""Refuses an option that is not there or can't be read, in a sentence, before Hydra composes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from tlbench.config import config_dirs
from tlbench.errors import UserError


def check_choices(arguments: Sequence[str]) -> None:
    """Look at the overrides on a command line; what is no option of our groups is refused.

    Raises:
        UserError: naming the group and its options, or the file that can't be read.
    """
    words = [word for word in arguments if "=" in word and not word.startswith("-")]
    try:
        overrides = OverridesParser.create().parse_overrides(words)
    except OverrideParseException:
        return  # Hydra says what it can't read
    if any(override.key_or_group == "hydra.searchpath" for override in overrides):
        return  # there may be options that only Hydra finds
    for override in overrides:
        group = override.key_or_group
        known = options(group)
        for choice in _choices(override):
            if known and choice not in known:
                raise UserError(
                    f"Change {group}: there is no '{choice}'; there are {', '.join(known)}."
                )
            if known:
                _read_first(group, choice)


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
    try:
        found = OmegaConf.load(file)
    except (OSError, ValueError, YAMLError, OmegaConfBaseException, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"Change {file}: it can't be read as YAML ({reason}).") from error
    if not isinstance(found, DictConfig):
        raise UserError(f"Change {file}: it is not a mapping of keys to values.")
    return found


def _read_first(group: str, choice: str) -> None:
    """Read the file behind a choice, that of the first folder that has one, as Hydra does."""
    files = [folder / f"{choice}.yaml" for folder in _folders(group)]
    for file in [file for file in files if file.is_file()][:1]:
        read_option(file)


def _folders(group: str) -> list[Path]:
    """Where the options of a group are; every target task is a support task too."""
    groups = [group, "target_task"] if group == "support_task" else [group]
    return [folder / name for name in groups for folder in config_dirs()]


def _choices(override: Override) -> Iterator[str]:
    """The options that an override chooses, those of a sweep one by one."""
    value: Any = override.value()
    if override.is_delete() or isinstance(value, dict | Glob):
        return  # a dict sets keys of the chosen option; a glob takes what there is
    found = value.list if isinstance(value, ChoiceSweep) else [value]
    for element in found:
        for choice in element if isinstance(element, list) else [element]:
            text = getattr(choice, "text", choice)  # a quoted string has its text inside
            yield "null" if text is None else str(text).removesuffix(".yaml")
