"""Measures the time and memory of a report: ``python -m benchmarks.report [RECORDS]``.

Makes records of 30 tasks in a temporary folder (as large as real ones), then reports them.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.support.planted import grid, heuristic_holds

TASKS = {f"task{number:02}": int(400 * 1.25**number) for number in range(30)}
PER_SEED = 30 * (2 * 29 + 2)  # records: STILTs and MTL with every support, single and MTL-ALL
# Makes a record's config as large as that of a real one.
FILLER = {"sources": {f"task{n}": {"format": "generated", "train": n} for n in range(60)}}


def main(records: int = 100_000) -> None:
    """Print the seconds and the peak memory of the command, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        size = _make(Path(folder) / "study", records)
        # In a process of its own, whose peak of memory the system then reports.
        began = time.perf_counter()
        command = [sys.executable, "-m", "tlbench.cli.report", f"{folder}/study"]
        subprocess.run(  # noqa: S603 - this file's own command
            [*command, "--out", f"{folder}/out"], check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"{records:,} records ({size / 1e6:.0f} MB): {seconds:.1f} s, peak {peak:.2f} GB")


def _make(folder: Path, records: int) -> int:
    """Write that many records below a folder; return their bytes."""
    seeds = range(-(-records // PER_SEED))
    size = 0
    for number, record in enumerate(grid(TASKS, heuristic_holds, seeds=seeds)[:records]):
        record.config |= {"suite": FILLER}
        job = folder / str(number)
        job.mkdir(parents=True)
        size += (job / "result.json").write_text(json.dumps(asdict(record), indent=1))
    return size


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
