"""Measures how long tlbench takes to start, and which commands import the large libraries.

python -m benchmarks.startup
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.process import environment

LARGE = ("torch", "transformers", "pytorch_lightning", "datasets", "wandb")
SHOWN = ["-m", "tlbench", "--cfg", "job"]
YARDSTICK = ["-c", "import hydra, omegaconf"]  # what composing a config needs at the least
RUN = ["-m", "tlbench", "debug=fast"]
SWEEP = ["-m", "tlbench", "-m", "debug=fast", "target_task=rte,cola", "hydra.sweeper.dry_run=true"]
COMMANDS = {
    "--help": ["-m", "tlbench", "--help"],
    "--cfg job": SHOWN,
    "-m hydra.sweeper.dry_run=true": SWEEP,
    "a finished experiment": RUN,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Time ``tlbench --cfg job``, and say what each command imports."""
    parser = argparse.ArgumentParser("python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="of each command, alternating")
    runs = parser.parse_args(arguments).runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a folder of its own, as a run leaves files where it is started.
        ours, theirs = times(runs, folder)
        print(f"tlbench --cfg job {median(ours):.3f} s, hydra and omegaconf {median(theirs):.3f} s")
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        print(f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        _run(RUN, folder)  # so that the experiment is finished when its command is timed
        for command, python in COMMANDS.items():
            seconds, large = imports(python, folder)
            print(f"{command:32}{seconds:6.2f} s   imports {', '.join(large) or 'none of them'}")


def times(runs: int, folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of ``tlbench --cfg job`` and of its yardstick, run in turn."""
    # The first pair only fills the system's file cache.
    pairs = [(_run(SHOWN, folder)[0], _run(YARDSTICK, folder)[0]) for _ in range(runs + 1)]
    ours, theirs = zip(*pairs[1:], strict=True)
    return list(ours), list(theirs)


def imports(python: Sequence[str], folder: Path) -> tuple[float, list[str]]:
    """Return the seconds of a command, and the large libraries that it imports."""
    seconds, _ = _run(python, folder)
    _, import_times = _run(["-X", "importtime", *python], folder)
    names = set(re.findall(r"^import time:.*\| +(\S+)$", import_times, re.MULTILINE))
    return seconds, [name for name in LARGE if name in names]


def _run(python: Sequence[str], folder: Path) -> tuple[float, str]:
    """Run a command; return its seconds and its standard error."""
    began = time.perf_counter()
    ran = subprocess.run(  # noqa: S603 - a benchmark's own command
        [sys.executable, *python],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - began
    if ran.returncode:
        sys.exit(f"{' '.join(python)} failed:\n{(ran.stdout + ran.stderr)[-3000:]}")
    return seconds, ran.stderr


if __name__ == "__main__":
    main()
