"""Some lines that stay at the bottom of a terminal, with all that is printed above them.

Whatever this process and its children write to the terminal, log lines, warnings and bars alike,
comes through a pipe, so that nobody overwrites the lines, nor is overwritten.
"""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self, TextIO

from rich.console import Console, ConsoleDimensions
from rich.live import Live
from rich.text import Text

Lines = Callable[[int, int], Sequence[str]]  # for a width and a height


def terminal(asked: bool | None) -> TextIO | None:
    """Return the stream on which lines can stay: a terminal that moves its cursor; else None.

    Args:
        asked: ``trainer.progress_bar``; true takes standard error for such a terminal.
    """
    if asked is False:
        return None
    streams = [sys.stderr, sys.stdout]
    found = next((stream for stream in streams if stream.isatty()), sys.stderr if asked else None)
    is_dumb = os.environ.get("TERM", "").lower() in ("dumb", "unknown")
    return None if is_dumb else found


class Screen:
    """The lines, for as long as the block runs.

    Args:
        stream: what ``terminal`` has returned.
        lines: returns them, at most so wide and so many.
    """

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        self.stream = stream
        self.lines = lines
        self._is_lost = False  # the terminal is gone
        self._has_all = threading.Event()

    def __enter__(self) -> Self:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        place = self.stream.fileno()
        caught = {stream.fileno() for stream in (sys.stdout, sys.stderr) if stream.isatty()}
        caught.add(place)
        self._saved = {number: os.dup(number) for number in caught}
        self._out = os.fdopen(
            os.dup(place), "w", encoding=self.stream.encoding, errors="backslashreplace"
        )
        self.console = Console(file=self._out, force_terminal=True, highlight=False)
        self._live = Live(
            get_renderable=self._renderable,
            console=self.console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
        )
        self._live.start()
        self.refresh()
        self.console.show_cursor(True)  # whoever kills this process needs it
        self._pipe, end = os.pipe()
        for number in caught:
            os.dup2(end, number)
        os.close(end)
        # To the end of the process: workers of a pool keep the pipe, and may still write to it.
        threading.Thread(target=self._print_what_comes, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._sync()
        for number, saved in self._saved.items():
            os.dup2(saved, number)
            os.close(saved)
        with suppress(OSError):
            self._live.stop()
            self._out.flush()

    def refresh(self) -> None:
        """Draw the lines anew, for the size that the terminal has now."""
        # rich would ask standard output and error for it, which are a pipe.
        with suppress(OSError):
            self.console.size = ConsoleDimensions(*os.get_terminal_size(self._out.fileno()))
        self._draw(self._live.refresh)

    def print(self, line: str) -> None:
        """Print a line above."""
        text = Text.from_ansi(line, no_wrap=False)
        self._draw(lambda: self.console.print(text, soft_wrap=True))

    def _draw(self, draw: Callable[[], None]) -> None:
        if not self._is_lost:
            try:
                draw()
            except OSError:  # whoever watched has closed the window; the sweep goes on
                self._is_lost = True

    def _renderable(self) -> Text:
        # One column is left free: a full line would make some terminals begin another one.
        lines = self.lines(self.console.width - 1, max(1, self.console.height - 2))
        text = Text(no_wrap=True)
        for number, line in enumerate(lines):
            text.append(("\n" if number else "") + line, style="" if number else "bold")
        return text

    def _print_what_comes(self) -> None:
        rest = b""
        while content := os.read(self._pipe, 65536):
            *lines, rest = (rest + content).split(b"\n")
            for line in lines:
                self._print_bytes(line)

    def _print_bytes(self, line: bytes) -> None:
        line, mark, _ = line.partition(_MARK)
        # Of a bar that is drawn again and again, what was drawn last.
        text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
        if text or not mark:
            self.print(text)
        if mark:
            self._has_all.set()

    def _sync(self) -> None:
        """Wait until all that was written before is printed."""
        os.write(self.stream.fileno(), _MARK + b"\n")
        self._has_all.wait(_PATIENCE)


_MARK = b"\0tlbench has printed all of it"
_PATIENCE = 5.0  # seconds for what was written to be printed
