"""Hydra's options on a command line, in whatever form they are written, apart from the overrides.

argparse takes ``--config-dir x``, ``--config-dir=x``, ``-cd x``, ``--config-d x`` and more: looking
for words would miss some.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, NoReturn

from hydra._internal.utils import get_args_parser

from tlbench.config.overrides import groups, is_key
from tlbench.config.suggestions import meant_by
from tlbench.errors import UserError

# What a command line asks for; Hydra raises on two of them, with a traceback.
_MODES = ("run", "multirun", "cfg", "info", "shell_completion")


@dataclass(frozen=True)
class CommandLine:
    """A command line in its two parts.

    Attributes:
        options: those that are given, by their long names with ``_``; True for one without a value.
        overrides: in their order.
    """

    options: Mapping[str, Any]
    overrides: Sequence[str]

    def words(self) -> list[str]:
        """Return it as Hydra takes it: every option in its long form, then the overrides."""
        written = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}")
            for name, value in self.options.items()
        ]
        return [*written, *self.overrides]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"Change the options (tlbench --hydra-help lists them): {message}.")


def _parser() -> _Parser:
    parser = _Parser(
        prog="tlbench", parents=[get_args_parser()], add_help=False, conflict_handler="resolve"
    )
    said = f"tlbench {version('tlbench')}"
    parser.add_argument("--version", action="version", version=said, help="Show the version")
    return parser


def parse(words: Sequence[str]) -> CommandLine:
    """Return a command line in its two parts; options may stand before, between or after overrides.

    Raises:
        UserError: of an option that there is not, lacks a value or has a wrong one.
        SystemExit: after ``--version`` is answered.
    """
    parser = _parser()
    names = [name for name in vars(parser.parse_args([])) if name != "overrides"]
    long = {f"--{name.replace('_', '-')}" for name in names} | {"--version"}
    for place, word in enumerate(words):
        name = word.partition("=")[0]
        # argparse would take --experiment for an abbreviation of --experimental-rerun.
        if name.startswith("--") and name not in long and is_key(_key(name)):
            raise _not_an_option(words, place, long)
    found, unknown = parser.parse_known_intermixed_args(list(words))
    if unknown:
        raise _not_an_option(words, words.index(unknown[0]), long)
    options = {
        name: value for name in names if (value := getattr(found, name)) not in (None, False)
    }
    _check_together(options)
    return CommandLine(options, found.overrides)


def _check_together(options: Mapping[str, Any]) -> None:
    modes = [f"--{name.replace('_', '-')}" for name in _MODES if name in options]
    if len(modes) > 1:
        raise UserError(f"Leave out all but one of {', '.join(modes)}.")
    if "resolve" in options and not {"cfg", "help"} & options.keys():
        raise UserError("Add --cfg job: --resolve is about the config that it shows.")
    if "experimental_rerun" in options:
        raise UserError("Leave out --experimental-rerun: tlbench-rerun trains a record again.")
    for name in ("config_dir", "config_path", "config_name"):
        if options.get(name) == "":
            raise UserError(f"Change --{name.replace('_', '-')}: give it a value.")


def _key(option: str) -> str:
    return option.lstrip("-").replace("-", "_")


def _not_an_option(words: Sequence[str], place: int, options: set[str]) -> UserError:
    """Return a sentence about a word that is no option, but may be meant for one or for a key."""
    name, equals, value = words[place].partition("=")
    if close := get_close_matches(name, sorted(options), 1, 0.8):
        return UserError(f"Change {name}: there is no such option; did you mean {close[0]}?")
    key = meant_by(_key(name), groups())
    if key is None:
        return UserError(
            f"Change {name}: there is no such option (tlbench --hydra-help lists them), and an "
            "override is key=value without dashes."
        )
    following = words[place + 1] if place + 1 < len(words) else "-"
    if not equals:
        value = "<value>" if following.startswith("-") or "=" in following else following
    return UserError(f"Change {words[place]}: write {key}={value}; overrides have no dashes.")
