"""What Hydra is told of a line that a shell completes: it looks at neither options nor quotes."""

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace

from tlbench.config.command_line import CommandLine, parse
from tlbench.errors import UserError

_VARIABLE = "COMP_LINE"  # in which the shell's function hands over the line
_WHAT = ("install", "uninstall", "query")
_SHELLS = ("bash", "zsh", "fish")


def completing(line: CommandLine, prepared: Callable[[CommandLine], CommandLine]) -> CommandLine:
    """Return a request for completion as Hydra takes it.

    The options of the line that is completed become those of the request, since Hydra looks up
    configs by these, and the line in the environment is left with overrides.

    Args:
        line: ``--shell-completion`` with what is requested.
        prepared: what the other words of the line are put through.

    Raises:
        UserError: if nothing that there is is requested.
        SystemExit: if there is nothing to complete: the shell completes names of files then.
    """
    _check(line)
    if _VARIABLE not in os.environ:
        return line
    typed = os.environ[_VARIABLE]
    try:
        words = shlex.split(typed)
    except ValueError:  # a quote is open
        sys.exit(0)
    current = "" if typed[-1:].isspace() else words.pop()
    try:
        before = prepared(parse(words[1:]))
    except UserError:  # above all of an option whose value is to come
        sys.exit(0)
    options = dict(before.options)
    flags = ["--multirun"] if options.pop("multirun", False) else []
    overrides = [word for word in before.overrides if not any(map(str.isspace, word))]
    os.environ[_VARIABLE] = " ".join(["tlbench", *flags, *overrides, current])
    return replace(line, options={**options, **line.options})


def _check(line: CommandLine) -> None:
    requests = [word.partition("=") for word in line.overrides]
    if len(requests) != 1 or requests[0][0] not in _WHAT or requests[0][2] not in _SHELLS:
        raise UserError(
            f"Change what follows --shell-completion: {' or '.join(_WHAT[:2])}={'|'.join(_SHELLS)}."
        )
