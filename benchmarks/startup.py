"""How long tlbench takes to start, and which commands import the large libraries.

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
YARDSTICK = ["-c", "import hydra, omegaconf"]
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
        ours, theirs = times(runs, folder)
        print(f"tlbench --cfg job {median(ours):.3f} s, hydra and omegaconf {median(theirs):.3f} s")
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        print(f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        _run(RUN, folder)  # so that it is finished when it is asked for again
        for command, python in COMMANDS.items():
            seconds, found = imports(python, folder)
            print(f"{command:32}{seconds:6.2f} s   imports {', '.join(found) or 'none of them'}")


def times(runs: int, folder: Path) -> tuple[list[float], list[float]]:
    """Seconds of ``tlbench --cfg job`` and of its yardstick, in turn, after one run of each."""
    pairs = [(_run(SHOWN, folder)[0], _run(YARDSTICK, folder)[0]) for _ in range(runs + 1)]
    ours, theirs = zip(*pairs[1:], strict=True)
    return list(ours), list(theirs)


def imports(python: Sequence[str], folder: Path) -> tuple[float, list[str]]:
    """How long a command takes, and the large libraries it imports."""
    seconds, _ = _run(python, folder)
    _, said = _run(["-X", "importtime", *python], folder)
    names = set(re.findall(r"^import time:.*\| +(\S+)$", said, re.MULTILINE))
    return seconds, [name for name in LARGE if name in names]


def _run(python: Sequence[str], folder: Path) -> tuple[float, str]:
    """Seconds of a command, and its standard error."""
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - a benchmark's own command
        [sys.executable, *python],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"{' '.join(python)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return seconds, done.stderr


if __name__ == "__main__":
    main()
