"""What was found of one thing, and how it is shown."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "note", "problem"]
WIDTH = 100  # columns
_LEVELS, _NAMES = len("problem"), len("shared memory:")  # the longest of each


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        level: ``note`` is worth knowing; with a ``problem`` a run as it is by default fails, or
            does not do what it should.
        what: the thing.
        found: without a full stop.
        advice: a sentence that says what to set or do; empty where that is nothing.
    """

    level: Level
    what: str
    found: str
    advice: str = ""

    def line(self) -> str:
        """Return ``level  what: found. advice``; what does not fit goes on below, indented."""
        head = f"{self.level:<{_LEVELS}}  {self.what + ':':<{_NAMES}}  "
        sentences = f"{self.found}. {self.advice}" if self.advice else f"{self.found}."
        return textwrap.fill(
            sentences,
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )


def gigabytes(count: float) -> str:
    """Return a number of bytes in GB, of 10^9."""
    return f"{count / 1e9:.1f} GB"


def shown(folder: Path) -> str:
    """Return a path with ``~`` for the home folder: what is found may be shown to others."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # it is elsewhere, or there is no home
        return str(folder)
