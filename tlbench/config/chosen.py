"""The options of config groups that a command line chooses, before Hydra composes."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException

from tlbench.config.overrides import choices, read_first, read_option
from tlbench.config.search_path import CONF_DIR


def chosen(arguments: Sequence[str], group: str) -> list[str]:
    """Return the options of a group that arguments choose.

    Where none is written that is what an experiment has, else a strategy, else config.yaml; none of
    a group of which nothing is chosen.
    """
    overrides = [override for override in map(parsed, arguments) if override is not None]
    written = [one for each in overrides if each.key_or_group == group for one in choices(each)]
    if written:
        return written
    experiments = [experiment for word in arguments for experiment in experiments_of(word)]
    files = [read_first("experiment", experiment) for experiment in experiments]
    if group != "strategy":
        files += [read_first("strategy", option) for option in chosen(arguments, "strategy")]
    known = [file for file in files if file is not None]
    for file in [*known, read_option(CONF_DIR / "config.yaml")]:
        for name, option in _defaults(file):
            if name == group:
                return [] if option is None else [str(option)]
    return []


def _defaults(file: Any) -> Iterator[tuple[str, Any]]:
    """Yield group and option of what an option's file chooses, wherever it puts it."""
    for default in file.get("defaults") or ():
        if not isinstance(default, str):
            for name, option in default.items():
                yield str(name).removeprefix("override ").lstrip("/").partition("@")[0], option


@cache  # Hydra's parser takes milliseconds, and several look at an argument
def parsed(argument: str) -> Override | None:
    """Return an override; None of what is none, or can't be read, which Hydra says."""
    if "=" not in argument or argument.startswith("-"):
        return None
    try:
        (override,) = OverridesParser.create().parse_overrides([argument])
    except OverrideParseException:
        return None
    return override


def experiments_of(word: str) -> list[str]:
    """Return the experiments that an argument chooses for a job; none if it sweeps over them."""
    if not word.startswith("experiment="):
        return []
    override = parsed(word)
    if override is None or override.is_sweep_override():
        return []
    return list(choices(override))
