"""A terminal for tests: runs a command in a pseudo-terminal, and shows what a user would see."""

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


@dataclass
class Terminal:
    """What is on the lines so far; knows the control sequences that rich and tqdm write."""

    columns: int
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    has_cursor: bool = True

    def write(self, text: str) -> None:
        for found in _CONTROL.finditer(text):
            code, letter = found[1], found[2]
            if letter == "A":
                self.row -= int(code or 1)
            elif letter == "K":
                self.lines[self.row] = ""
            elif code == "?25":
                self.has_cursor = letter == "h"
            elif found[0] == "\r":
                self.column = 0
            elif found[0] == "\n":
                self._next_line()
            elif letter is None:
                self._put(found[0])
            else:
                assert letter == "m", found[0]

    def _put(self, text: str) -> None:
        for character in text:
            if self.column == self.columns:
                self._next_line()
                self.column = 0
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _next_line(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip()


def run_in_terminal(
    command: Sequence[str],
    folder: Path,
    columns: int = 100,
    rows: int = 30,
    look: Callable[[Terminal, int], None] = lambda terminal, pid: None,
    **environment: str,
) -> tuple[Terminal, int]:
    """Return the terminal at the end, and the command's exit code.

    Args:
        look: is called after everything that the command writes, with its process.
        environment: more of it.
    """
    pid, end = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.chdir(folder)
        os.execvpe(command[0], list(command), {**os.environ, "TERM": "xterm", **environment})
    terminal, rest = Terminal(columns), b""
    while True:
        try:
            content = os.read(end, 65536)
        except OSError:  # Linux says so when the last process has closed the other end
            break
        # A sequence or a character may be cut in two; what follows completes it.
        whole, newline, cut = (rest + content).rpartition(b"\n")
        terminal.write((whole + newline).decode("utf-8"))
        rest = cut
        look(terminal, pid)
    terminal.write(rest.decode("utf-8"))
    os.close(end)
    return terminal, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
