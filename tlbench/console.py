"""What a person reads on the terminal: lines, tables and progress bars."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console

from tlbench import progress

_silent = ContextVar("silent", default=False)


def wants_progress_bars(asked: bool | None) -> bool:
    """``trainer.progress_bar``, or where that is null whether somebody watches a terminal.

    Never in a job of a sweep, which shows what its jobs do.
    """
    if progress.is_followed():
        return False
    return sys.stderr.isatty() if asked is None else asked


def show_or_hide_progress_bars(asked: bool | None) -> None:
    """Have the reading and tokenising of rows shown in a line of ours, if that is wanted."""
    import datasets  # reports, which print as well, do without it

    datasets.disable_progress_bars()  # they don't say whose rows they are about
    progress.show(wants_progress_bars(asked))


def points(value: float | None, signed: bool = False) -> str:
    """A fraction in points, ``61.2``, or ``undefined``."""
    if value is None or math.isnan(value):
        return "undefined"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def console() -> Console:
    """Standard output; where that is no terminal, wide enough for every table."""
    width = None if sys.stdout.isatty() else 120
    return Console(soft_wrap=True, width=width, quiet=_silent.get())


@contextmanager
def silence() -> Iterator[None]:
    """Print no tables and lines on standard output: a caller in Python is given what they show."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, markup=False, highlight=False)


def notice(line: str) -> None:
    """Print a line on standard error, as standard output may be the predictions themselves."""
    print(line, file=sys.stderr, flush=True)
