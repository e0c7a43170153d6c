"""Times a sweep of small stages on one device, with 1, 2, ... jobs at a time.

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
    """Make the rows, time a sweep under ``hydra/launcher=gpus``, and print the times."""
    parser = argparse.ArgumentParser("python -m benchmarks.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*", help="more Hydra overrides of the sweep")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        # A dry run makes and caches the rows, so that no sweep has to.
        _run(top / "rows", 1, [*options.overrides, "hydra.sweeper.dry_run=true"])
        rounds = [
            [_run(top / f"{i}-{jobs}", jobs, options.overrides) for jobs in options.jobs]
            for i in range(options.rounds)
        ]
    for i, jobs in enumerate(options.jobs):
        speedups = [times[0] / times[i] for times in rounds]
        print(
            f"{jobs} at a time: {median(times[i] for times in rounds):.1f} s, "
            f"{median(speedups):.2f} ({min(speedups):.2f} to {max(speedups):.2f}) times as fast as "
            f"{options.jobs[0]}"
        )


def _run(folder: Path, jobs: int, overrides: Sequence[str]) -> float:
    """Return the seconds of the whole command in a folder of its own, start-up included."""
    folder.mkdir(exist_ok=True)
    launcher = ["hydra/launcher=gpus", f"hydra.launcher.n_jobs={jobs}", "cache_dir=../cache"]
    began = time.perf_counter()
    run_python(["-m", "tlbench", *SWEEP, *launcher, *overrides], folder)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
