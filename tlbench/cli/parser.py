"""What the commands beside ``tlbench`` share: their version, their completion, ``~`` in paths."""

import argparse
from importlib.metadata import version
from pathlib import Path
from typing import Any

import shtab

from tlbench.config.homes import expanded
from tlbench.errors import UserError


class CommandParser(argparse.ArgumentParser):
    """A parser, and those of its subcommands, that knows what to do with ``type=Path``.

    A shell expands ``--out ~/x`` and not ``--out=~/x``; names of files are completed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("type", Path, _path)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        action = super().add_argument(*names, **options)
        if options.get("type") is Path:
            vars(action)["complete"] = shtab.FILE
        return action


def new_parser(command: str, description: str | None) -> CommandParser:
    """Return a parser for a command, with the options that all of them have."""
    parser = CommandParser(prog=command, description=description)
    parser.add_argument("--version", action="version", version=f"tlbench {version('tlbench')}")
    shtab.add_argument_to(parser, help="print what completes the command in a shell")
    return parser


def _path(text: str) -> Path:
    try:
        return Path(expanded(text, "the path"))
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
