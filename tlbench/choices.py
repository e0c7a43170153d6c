"""Refuses an unknown option of a config group in one sentence, before Hydra composes."""

from collections.abc import Iterator, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override
from hydra.errors import OverrideParseException

from tlbench.config import config_dirs
from tlbench.errors import UserError


def check_choices(arguments: Sequence[str]) -> None:
    """Look at the overrides on a command line; what is no option of our groups is refused.

    Raises:
        UserError: naming the group and its options.
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


def options(group: str) -> list[str]:
    """The options of a config group of ours, sorted; none if it is no group."""
    folders = [folder / group for folder in config_dirs()]
    if group == "support_task":
        folders += [folder / "target_task" for folder in config_dirs()]
    if group.startswith("hydra/"):
        return []  # Hydra's and its plugins' own options stand beside ours
    return sorted({file.stem for folder in folders for file in folder.glob("*.yaml")})


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
