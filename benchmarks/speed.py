"""Training speed of tlbench and of what a user would pick instead, in one run on the same rows.

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

ALL = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparisons that the command line asks for, and print a table of each."""
    asked = _parse(arguments)
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("Change --device to cpu: there is no CUDA device here.")
    if find_spec("accelerate") is None and any("Trainer" in name for name in asked.contenders):
        sys.exit(
            "Install tlbench[bench], or leave Trainer out of --contenders: it needs accelerate."
        )
    datasets.disable_progress_bars()
    print(", ".join(f"{k} {v}" for k, v in machine(asked.device).items()), flush=True)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for case in _cases(asked, Path(folder)):
                rounds = list(compare(case, asked))
                print(comparison.table(case.tasks, rounds), flush=True)
                found.append({"tasks": case.tasks, "rounds": _plain(rounds)})
        except UserError as error:
            sys.exit(str(error))
    if asked.out:
        written = {"machine": machine(asked.device), "arguments": vars(asked), "cases": found}
        Path(asked.out).write_text(json.dumps(written, indent=1), "utf-8")


def compare(case: Case, asked: argparse.Namespace) -> Iterator[Round]:
    """Every contender once a round, each round on other rows and begun by another contender."""
    names = [n for n in asked.contenders if len(case.tasks) > 1 or n != "two forwards"]
    for number in range(asked.rounds):
        folder = Path(case.folder) / str(number)
        folder.mkdir(parents=True)
        seeded = prepare(replace(case, seed=number, folder=str(folder)), asked.steps)
        first = number % len(names)
        measured = {name: _measure(name, seeded) for name in names[first:] + names[:first]}
        yield {name: measured[name] for name in names}


def _measure(name: str, case: Case) -> Measurement:
    text = json.dumps(asdict(case))
    printed, peak = run_python(["-m", "benchmarks.contenders", name, text], Path(case.folder))
    measured = Measurement(**json.loads(printed.splitlines()[-1]))
    print(f"  {name}: {measured.instances / measured.seconds:.1f} instances/s", flush=True)
    return replace(measured, anonymous_bytes=peak)


def machine(device: str) -> dict[str, Any]:
    """What a number depends on beside the code."""
    on_gpu = {"GPU": torch.cuda.get_device_name()} if device == "cuda" else {}
    packages = ("torch", "transformers", "pytorch-lightning", "accelerate")
    return {
        **on_gpu,
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in packages if find_spec(name.replace("-", "_"))},
    }


def _processor() -> str:
    """Its name as Linux has it; platform knows only the architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _cases(asked: argparse.Namespace, folder: Path) -> Iterator[Case]:
    suite = ["suite=generated"]
    if asked.suite_root:
        suite = ["suite=glue_tsv", f"suite.root={Path(asked.suite_root).resolve()}"]
    encoder = shapes.overrides(asked.encoder, folder / "encoder")
    for number, tasks in enumerate(asked.tasks):
        yield Case(
            tasks=ALL if tasks == "all" else tuple(tasks.split(",")),
            overrides=(*suite, *encoder, f"cache_dir={folder / 'cache'}"),
            product=tuple(asked.tlbench),
            rows=asked.steps * asked.batch_size,
            batch_size=asked.batch_size,
            max_length=asked.max_length,
            device=asked.device,
            workers=asked.workers,
            seed=0,
            folder=str(folder / str(number)),
        )


def _plain(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    return [{name: asdict(measured) for name, measured in r.items()} for r in rounds]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.speed", description=__doc__)
    add = parser.add_argument
    add("--tasks", action="append", help="rte, or rte,mnli together, or all; may be repeated")
    add("--encoder", default="minilm", help="as in tlbench, or shape:minilm, shape:distilroberta")
    add("--suite-root", help="a folder of the official TSV files; without it suite=generated")
    add("--device", choices=["cpu", "cuda"], default="cpu")
    add("--steps", type=int, default=30, help="about how many are counted, in whole epochs")
    add("--rounds", type=int, default=3)
    add("--batch-size", type=int, default=32)
    add("--max-length", type=int, default=128)
    add("--workers", type=int, default=0, help="processes that load data (not for Trainer)")
    add("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    add("--tlbench", action="append", default=[], help="a Hydra override for tlbench alone")
    add("--out", help="a JSON file for everything that was measured")
    asked = parser.parse_args(arguments)
    asked.tasks = asked.tasks or ["rte", "rte,mnli"]
    return asked


if __name__ == "__main__":
    main()
