"""What a person reads on the terminal: lines, tables and progress bars."""

import math
import sys

from rich.console import Console


def wants_progress_bars(asked: bool | None) -> bool:
    """``trainer.progress_bar``, or where that is null whether somebody watches a terminal."""
    return sys.stderr.isatty() if asked is None else asked


def show_or_hide_progress_bars(asked: bool | None) -> None:
    """Keep the bars of reading and tokenising rows from the screen, unless wanted."""
    if not wants_progress_bars(asked):
        import datasets  # reports, which print as well, do without it

        datasets.disable_progress_bars()


def points(value: float | None, signed: bool = False) -> str:
    """A fraction in points, ``61.2``, or ``undefined``."""
    if value is None or math.isnan(value):
        return "undefined"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def console() -> Console:
    """Standard output; where that is no terminal, wide enough for every table."""
    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)


def say(line: str) -> None:
    """Print a line as it is."""
    console().print(line, markup=False, highlight=False)


def notice(line: str) -> None:
    """Print a line on standard error, as standard output may be the predictions themselves."""
    print(line, file=sys.stderr, flush=True)
