"""Small stages side by side on one device: the time of a sweep with 1, 2, ... jobs at a time.

python -m benchmarks.jobs --jobs 1 2 4 trainer.accelerator=auto trainer.precision=bf16-mixed
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.process import run_python

# Fifteen stages of one wave, so that none waits for another.
SWEEP = ("experiment=smoke", "strategy=single", "seed=range(5)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the rows, time a sweep under ``hydra/launcher=gpus``, and print what was found."""
    parser = argparse.ArgumentParser("python -m benchmarks.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="more Hydra overrides of the sweep")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        _run(top / "rows", 1, [*asked.overrides, "hydra.sweeper.dry_run=true"])
        rounds = [
            [_run(top / f"{i}-{jobs}", jobs, asked.overrides) for jobs in asked.jobs]
            for i in range(asked.rounds)
        ]
    for at, jobs in enumerate(asked.jobs):
        gains = [times[0] / times[at] for times in rounds]
        print(
            f"{jobs} at a time: {median(times[at] for times in rounds):.1f} s, {median(gains):.2f}"
            f" ({min(gains):.2f} to {max(gains):.2f}) times as fast as {asked.jobs[0]}"
        )


def _run(folder: Path, jobs: int, overrides: Sequence[str]) -> float:
    """Seconds of the whole command in a folder of its own, start-up included."""
    folder.mkdir(exist_ok=True)
    launcher = ["hydra/launcher=gpus", f"hydra.launcher.n_jobs={jobs}", "cache_dir=../cache"]
    began = time.perf_counter()
    run_python(["-m", "tlbench", *SWEEP, *launcher, *overrides], folder)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
