"""Commands as forks of a process that has imported what they import.

A process of ``python -m tlbench`` needs seconds to import torch, Lightning and transformers, and
the tests start hundreds of them. A fork has them already, and is otherwise such a process: with its
own arguments, folder, output and end. ``python -m tests.support.forked`` is what they are forks of.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PRELOADED = ("tlbench.jobs.job", "tlbench.training.train", "tlbench.sweep.run", "tlbench.cli.store")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


class Forks:
    """Runs modules as forks, one after the other; where the environment is another as processes.

    What is imported has read the environment, and would not see another one.
    """

    def __init__(self) -> None:
        self._environment = environment()
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, module: str, arguments: tuple[str, ...], folder: Path, timeout: int = 300
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *arguments]
        if environment() != self._environment:
            return subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=timeout,
                stdin=subprocess.DEVNULL,
            )
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory() as place:
            output = [Path(place) / "stdout", Path(place) / "stderr"]
            asked = {"module": module, "arguments": arguments, "folder": folder, "output": output}
            line = json.dumps({**asked, "timeout": timeout}, default=str)
            print(line, file=self._server.stdin, flush=True)
            code = int(self._server.stdout.readline())
            return subprocess.CompletedProcess(command, code, *[one.read_text() for one in output])

    def close(self) -> None:
        """End it, idle as it is: a process that a test forked may still hold its input open."""
        self._server.kill()
        self._server.communicate()


def serve() -> dict[str, Any] | None:
    """Fork for every line; return what it asks for in the fork, and None at the end."""
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        child = os.fork()
        if not child:
            return asked
        print(_exit_code(child, asked["timeout"]), flush=True)
    return None


def _exit_code(child: int, timeout: int) -> int:
    end = time.monotonic() + timeout
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


def become(asked: dict[str, Any]) -> None:
    """Make this process what ``python -m`` would be."""
    os.chdir(asked["folder"])
    places = [("/dev/null", os.O_RDONLY)]
    places += [(file, os.O_WRONLY | os.O_CREAT) for file in asked["output"]]
    for number, (place, how) in enumerate(places):
        opened = os.open(place, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.path[0] = asked["folder"]
    sys.argv[:] = [asked["module"], *asked["arguments"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # what is here is shared with the forks as long as nobody writes to it
    if asked := serve():
        become(asked)


if __name__ == "__main__":
    main()
