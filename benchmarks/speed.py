"""Compares the training speed of tlbench and of its alternatives, in one run on the same rows.

python -m benchmarks.speed --tasks rte --tasks rte,mnli --tasks all --encoder minilm \
    --suite-root /data/glue
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import datasets
import torch

from benchmarks import comparison, shapes
from benchmarks.comparison import Round
from benchmarks.contenders import CONTENDERS
from benchmarks.prepare import prepare
from benchmarks.process import run_python
from benchmarks.watch import Measurement
from benchmarks.workload import Case
from tlbench.errors import UserError

PRECISIONS = ("bf16", "float32")
ALL = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparisons that the command line requests, and print a table of each."""
    options = _parse(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("Change --device to cpu: there is no CUDA device here.")
    if find_spec("accelerate") is None and any("Trainer" in name for name in options.contenders):
        sys.exit(
            "Install tlbench[bench], or leave Trainer out of --contenders: it needs accelerate."
        )
    datasets.disable_progress_bars()
    print(", ".join(f"{k} {v}" for k, v in machine(options.device).items()), flush=True)
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for case in _cases(options, Path(folder)):
                rounds = list(compare(case, options))
                print(comparison.table(case.tasks, rounds), flush=True)
                cases.append({"tasks": case.tasks, "rounds": _as_json(rounds)})
        except UserError as error:
            sys.exit(str(error))
    if options.out:
        report = {"machine": machine(options.device), "arguments": vars(options), "cases": cases}
        Path(options.out).write_text(json.dumps(report, indent=1), "utf-8")


def compare(case: Case, options: argparse.Namespace) -> Iterator[Round]:
    """Measure every contender once a round, each round on other rows, in another order."""
    names = contenders(case, options)
    precisions = dict.fromkeys(names, options.precision)
    if options.precision == "fastest":
        precisions = fastest_precisions(names, case, options.steps)
    for number in range(options.rounds):
        folder = Path(case.folder) / str(number)
        folder.mkdir(parents=True)
        # The seed draws other rows, so that no contender is judged by one lucky draw.
        seeded = prepare(replace(case, seed=number, folder=str(folder)), options.steps)
        # Each round begins with another contender, in case the order makes a difference.
        first = number % len(names)
        order = names[first:] + names[:first]
        measured = {
            name: _measure(name, replace(seeded, precision=precisions[name])) for name in order
        }
        yield {name: measured[name] for name in names}


def contenders(case: Case, options: argparse.Namespace) -> list[str]:
    """Return those that are asked for, and are any for so many tasks."""
    return [n for n in options.contenders if len(case.tasks) > 1 or n != "two forwards"]


def fastest_precisions(names: Sequence[str], case: Case, steps: int) -> dict[str, str]:
    """Return each contender's faster precision, from a trial of both that counts no further."""
    folder = Path(case.folder) / "trial"
    folder.mkdir(parents=True)
    trial = prepare(replace(case, folder=str(folder)), steps)
    found = {}
    for name in names:
        measured = {one: _measure(name, replace(trial, precision=one)) for one in PRECISIONS}
        found[name] = min(measured, key=lambda one: measured[one].seconds)
    print("  precisions: " + ", ".join(f"{name} {one}" for name, one in found.items()), flush=True)
    return found


def _measure(name: str, case: Case) -> Measurement:
    # In a process of its own, so that memory and caches are the contender's alone.
    text = json.dumps(asdict(case))
    printed, peak = run_python(["-m", "benchmarks.contenders", name, text], Path(case.folder))
    measured = Measurement(**json.loads(printed.splitlines()[-1]))
    print(
        f"  {name} ({case.precision}): {measured.instances / measured.seconds:.1f} instances/s",
        flush=True,
    )
    return replace(measured, anonymous_bytes=peak, precision=case.precision)


def machine(device: str) -> dict[str, Any]:
    """Return what a speed depends on beside the code."""
    on_gpu = {"GPU": torch.cuda.get_device_name()} if device == "cuda" else {}
    packages = ("torch", "transformers", "pytorch-lightning", "accelerate")
    return {
        **on_gpu,
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in packages if find_spec(name.replace("-", "_"))},
    }


def _processor() -> str:
    """Return the processor's name, which Python's ``platform`` does not know on Linux."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _cases(options: argparse.Namespace, folder: Path) -> Iterator[Case]:
    suite = ["suite=generated"]
    if options.suite_root:
        suite = ["suite=glue_tsv", f"suite.root={Path(options.suite_root).resolve()}"]
    encoder = shapes.overrides(options.encoder, folder / "encoder")
    for number, tasks in enumerate(options.tasks):
        yield Case(
            tasks=ALL if tasks == "all" else tuple(tasks.split(",")),
            overrides=(*suite, *encoder, f"cache_dir={folder / 'cache'}"),
            product=tuple(options.tlbench),
            rows=options.steps * options.batch_size,
            batch_size=options.batch_size,
            max_length=options.max_length,
            device=options.device,
            workers=options.workers,
            seed=0,
            folder=str(folder / str(number)),
        )


def _as_json(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    return [{name: asdict(measured) for name, measured in r.items()} for r in rounds]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speed", description=__doc__)
    add = parser.add_argument
    add("--tasks", action="append", help="rte, or rte,mnli together, or all; may be repeated")
    add(
        "--encoder",
        default="minilm",
        help="as in tlbench, or shape:minilm, distilroberta, modernbert",
    )
    add("--suite-root", help="a folder of the official TSV files; without it suite=generated")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--steps", type=int, default=30, help="about how many are counted, in whole epochs")
    add("--rounds", type=int, default=3)
    add(
        "--precision",
        choices=["fastest", *PRECISIONS],
        default="fastest",
        help="of all contenders; fastest: for each its own, found in a trial before the rounds",
    )
    add("--batch-size", type=int, default=32)
    add("--max-length", type=int, default=128)
    add("--workers", type=int, default=0, help="processes that load data (not for Trainer)")
    add("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    add("--tlbench", action="append", default=[], help="a Hydra override for tlbench alone")
    add("--out", help="a JSON file for everything that was measured")
    options = parser.parse_args(arguments)
    options.tasks = options.tasks or ["rte", "rte,mnli"]
    return options


if __name__ == "__main__":
    main()
