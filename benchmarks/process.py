"""Runs a command and watches its memory from outside."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
POLL_SECONDS = 0.02


def run_python(arguments: Sequence[str], folder: Path) -> tuple[str, int]:
    """Run ``python ARGUMENTS`` in a folder, with this checkout's modules and W&B offline.

    Returns:
        What it printed, and its peak of anonymous memory in bytes (of itself, not of children).

    Raises:
        SystemExit: if it fails, with the end of its output.
    """
    # Into files: a pipe that is full would make the command wait for a reader.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(  # noqa: S603 - a benchmark's own command
            [sys.executable, *arguments],
            cwd=folder,
            env=environment(),
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
        )
        peak = _peak_memory(child)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            output = (out.read() + err.read())[-3000:]
            sys.exit(f"{' '.join(arguments)[:200]} failed:\n{output}")
        return out.read(), peak


def _peak_memory(child: subprocess.Popen[bytes]) -> int:
    """Wait for a process to end; return its peak of anonymous memory in bytes."""
    peak = 0
    while child.poll() is None:
        peak = max(peak, _anonymous_memory(child.pid))
        time.sleep(POLL_SECONDS)
    return peak


def environment() -> dict[str, str]:
    """Return the environment of a command that is measured."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path, "WANDB_MODE": "offline"}


def _anonymous_memory(pid: int) -> int:
    """Return the RssAnon of a process in bytes; 0 when it has just ended.

    Memory that is mapped from files is not in it: the system can take it back at any time.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
