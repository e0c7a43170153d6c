"""What this process does now, for whoever shows it: its own terminal, or the sweep that runs it.

Whoever works says it here and does not know who listens. Where nobody shows it, as in a log file,
what takes long is said in a line after some seconds, and in another one every minute.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TypeVar

from rich.console import Console
from rich.live import Live
from rich.text import Text

log = logging.getLogger(__name__)

_FIRST_LINE, _NEXT_LINE = 5.0, 60.0  # seconds after which work that nobody sees is said in a line
TRAINING = ("training", "scoring")  # the phases in which a stage can be told to stop, and saves
T = TypeVar("T")


@dataclass
class Progress:
    """What is done now.

    Attributes:
        phase: a word or two: ``training``, ``reading rte train``.
        unit: of what ``step`` counts.
        step, steps: how far it is, and of how many; None if that is not known.
        score: the latest, as a person reads it.
    """

    phase: str = "starting"
    unit: str = "step"
    step: int | None = None
    steps: int | None = None
    score: str | None = None

    @property
    def line(self) -> str:
        """``training, step 12 of 141, rte 61.2``."""
        parts = [self.phase]
        if self.step is not None:
            of = "" if self.steps is None else f" of {self.steps:,}"
            parts.append(f"{self.unit} {self.step:,}{of}")
        return ", ".join([*parts, *([self.score] if self.score else [])])


@dataclass
class _Process:
    now: Progress
    shows: bool = False  # on its own terminal
    is_followed: bool = False  # by its sweep
    is_on_screen: bool = False
    say_after: float = 0.0


_process = _Process(Progress())


def now() -> Progress:
    """Return what this process does."""
    return replace(_process.now)


def begin(is_followed: bool) -> None:
    """Begin a job, about which nothing is known; ``is_followed``: its sweep shows what it does."""
    _process.now, _process.is_followed = Progress(), is_followed


def is_followed() -> bool:
    """Whether this process runs a job that its sweep shows, so that it draws no bars itself."""
    return _process.is_followed


def show(on_terminal: bool) -> None:
    """Have ``doing`` show a line on the terminal, or not."""
    _process.shows = on_terminal


def note(**changes: object) -> None:
    """Change some attributes of what is done now."""
    for name, value in changes.items():
        setattr(_process.now, name, value)


@contextmanager
def doing(phase: str, unit: str = "step", steps: int | None = None) -> Iterator[None]:
    """Say what a block does; afterwards it is what it was before."""
    before = now()
    note(phase=phase, unit=unit, step=None, steps=steps)
    _process.say_after = time.monotonic() + _FIRST_LINE
    try:
        with _line_on_screen():
            yield
    finally:
        note(phase=before.phase, unit=before.unit, step=before.step, steps=before.steps)


def at(step: int) -> None:
    """Say how far it is; cheap enough for every row."""
    _process.now.step = step
    if _process.is_on_screen or _process.is_followed or time.monotonic() < _process.say_after:
        return
    log.info("  %s", _process.now.line)
    _process.say_after = time.monotonic() + _NEXT_LINE


def counted(items: Iterable[T]) -> Iterator[T]:
    """Yield items, and say how many there were so far."""
    for number, item in enumerate(items, 1):
        at(number)
        yield item


def _line_on_screen() -> "Live | nullcontext[None]":
    if not _process.shows or _process.is_on_screen:
        return nullcontext()
    return _Line()


class _Line(Live):
    """One line at the bottom of the terminal, which goes away."""

    def __init__(self) -> None:
        super().__init__(
            get_renderable=lambda: Text(now().line, no_wrap=True, overflow="ellipsis"),
            console=Console(stderr=True),
            refresh_per_second=4,
            transient=True,
        )

    def start(self, refresh: bool = False) -> None:
        _process.is_on_screen = True
        super().start(refresh)
        self.console.show_cursor(True)  # whoever kills this process needs it

    def stop(self) -> None:
        super().stop()
        _process.is_on_screen = False
