"""Claims of other machines, and of processes that have ended, for the tests of claims."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlbench.store import claims

SHORT = "claims.HEARTBEAT, claims.LEASE, claims.POLL = 0.1, 1.0, 0.1"
IMPORTS = f"""
import os, sys, time
from pathlib import Path
from tlbench.store import claims
{SHORT}
"""


def write_claim(file: Path, host: str, pid: int = 1, boot: int | None = None) -> None:
    """A claim as a process of another machine would write it."""
    start = "" if boot is None else f"start={boot << 64 | 1}\n"
    lines = f"pid={pid}\nhost={host}\nmode=lease\ntoken=abc\nduration={claims.LEASE}\n{start}"
    file.write_text(f"filelock/2\n{lines}")


@contextmanager
def beating(file: Path) -> Iterator[None]:
    """Another machine's heartbeat, which ends with its claim."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.1):
            os.utime(file)
        file.unlink()

    heart = threading.Thread(target=beat)
    heart.start()
    yield
    over.set()
    heart.join()


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def die_with_claim(file: Path) -> None:
    code = f"{IMPORTS}with claims.hold(Path(sys.argv[1]), 'stage'): os._exit(1)"
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert file.exists()
