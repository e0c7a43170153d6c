"""Compares the peak anonymous memory with many rows to that with few; the rows are generated.

python -m benchmarks.memory
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.process import run_python

STEPS = {  # in this order: each finds what those before it have cached
    "making the rows": ["hydra.sweeper.dry_run=true"],
    "tokenising and training": ["store_dir=first"],
    "training": ["store_dir=second"],
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run tlbench on few and on many rows, and print the peaks and their differences."""
    parser = argparse.ArgumentParser("python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--few", type=int, default=4_000, help="rows of each of two tasks")
    parser.add_argument("--many", type=int, default=400_000)
    parser.add_argument("--train-steps", type=int, default=20)
    options = parser.parse_args(arguments)
    if not Path("/proc/self/status").is_file():
        sys.exit("Run this on Linux: RssAnon is read from /proc.")
    # What the interpreter and its libraries take cancels out in the difference.
    few = peaks(options.few, options.train_steps)
    many = peaks(options.many, options.train_steps)
    print(f"{'MiB RssAnon':26}{options.few:>10}{options.many:>10}  more")
    for name in STEPS:
        of_few, of_many = few[name] / 2**20, many[name] / 2**20
        print(f"{name:26}{of_few:10.0f}{of_many:10.0f}  {of_many - of_few:.0f}")


def peaks(rows: int, train_steps: int) -> dict[str, int]:
    """Return the peak in bytes of every step, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "tlbench", *overrides(rows, train_steps)]
        return {
            name: run_python([*command, *more], Path(folder))[1] for name, more in STEPS.items()
        }


def overrides(rows: int, train_steps: int) -> list[str]:
    """Return the Hydra overrides of a run on so many rows of each of two tasks."""
    return [
        "suite=generated",
        "encoder=tiny",
        "logger=none",
        "strategy=mtl",
        "target_task=qqp",
        "support_task=mnli",
        f"suite.sources.qqp.train={rows}",
        f"suite.sources.mnli.train={rows}",
        "subsample_size.dev=64",
        f"trainer.max_steps={train_steps}",
        "trainer.accelerator=cpu",
    ]


if __name__ == "__main__":
    main()
