"""Compares tlbench-predict with transformers' pipeline: rows a second; and its memory.

python -m benchmarks.predict

One thread for both, unless told otherwise. The pipeline is given an iterator, as its documentation
has it, and may choose the best of several batch sizes; both may choose the better precision.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import pipeline

from benchmarks.process import run_python
from tlbench.data import generated
from tlbench.data.readers import FileFormat
from tlbench.data.row_texts import Changes
from tlbench.export.load import load_model
from tlbench.export.predictions import predict_rows, rows_of, write_parts
from tlbench.export.predictor import Predictor

OURS = "tlbench"
_DTYPES = {"32-true": torch.float32, "bf16-true": torch.bfloat16}
_TEXTS = ("text_a", "text_b")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and export a model of the encoder, predict rows with it, and print what that took."""
    parser = argparse.ArgumentParser("python -m benchmarks.predict", description=__doc__)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--file", type=Path, help="a CSV with text_a and text_b; else generated")
    parser.add_argument("--timed", type=int, default=4_000, help="rows of each timing")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the memory's peak")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    if not Path("/proc/self/status").is_file():
        sys.exit("Run this on Linux: RssAnon is read from /proc.")
    torch.set_num_threads(options.threads)
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder, options.encoder)
        write_rows(folder / "timed.csv", options.timed, options.file)
        contenders = ours(folder) | pipelines(folder, options.batch_sizes)
        rounds = [
            {contender: _speed(run, options.timed) for contender, run in contenders.items()}
            for _ in range(options.rounds)
        ]
        print(table(rounds))
        write_rows(folder / "many.csv", options.rows, None)
        for rows, file in ((options.timed, "timed"), (options.rows, "many")):
            command = ["-m", "tlbench.cli.predict", "model", f"{file}.csv", "--out", f"{file}.tsv"]
            peak = run_python([*command, "--device", "cpu"], folder)[1]
            print(f"tlbench-predict, {rows:,} rows: peak of {peak / 2**20:.0f} MiB RssAnon")


def make_model(folder: Path, encoder: str) -> None:
    """Train a model of pairs for a few steps, and export it to ``model``."""
    run = ["debug=fast", "target_task=qqp", f"encoder={encoder}", "hydra.run.dir=job"]
    run_python(["-m", "tlbench", *run], folder)
    run_python(["-m", "tlbench.cli.export", "job", "--out", "model"], folder)


def write_rows(file: Path, count: int, source: Path | None) -> None:
    """Write a CSV of pairs: the first of a source, or generated ones of one to eight sentences."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, _TEXTS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(islice(_generated() if source is None else _read(source), count))


def _read(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        yield from csv.DictReader(opened)


def _generated() -> Iterator[dict[str, str]]:
    """Yield pairs of different lengths, as texts of people are."""
    single = generated.rows("qqp", "train", sys.maxsize, 0)
    while True:
        for sentences in (1, 4, 1, 2, 8, 1, 3, 2):
            some = list(islice(single, sentences))
            yield {name: " ".join(row[name] for row in some) for name in _TEXTS}


def ours(folder: Path) -> dict[str, Callable[[], None]]:
    """Return by its name what predicts the timed rows as the command does, from file to file."""
    changes = Changes("--text", "FILE")

    def run(model: Predictor) -> None:
        rows = rows_of(folder / "timed.csv", FileFormat("csv"))
        parts = predict_rows(model, rows, model.task, [], changes)
        for _ in write_parts(parts, folder / "out.csv", "csv"):
            pass

    models = {name: load_model(folder / "model", "cpu", precision=name) for name in _DTYPES}
    return {f"{OURS}, {name}": partial(run, model) for name, model in models.items()}


def pipelines(folder: Path, batch_sizes: Sequence[int]) -> dict[str, Callable[[], None]]:
    """Return by its name what predicts the timed rows with a precision and batch size."""

    def run(classify: Any, batch_size: int) -> None:
        rows = (
            {"text": r["text_a"], "text_pair": r["text_b"]} for r in _read(folder / "timed.csv")
        )
        options = {"truncation": True, "max_length": classify.tokenizer.model_max_length}
        for _ in classify(rows, batch_size=batch_size, top_k=None, **options):
            pass

    place = str(folder / "model")
    made = {
        name: pipeline("text-classification", model=place, device="cpu", dtype=dtype)
        for name, dtype in _DTYPES.items()
    }
    return {
        f"pipeline, {name}, batches of {size}": partial(run, classify, size)
        for name, classify in made.items()
        for size in batch_sizes
    }


def _speed(run: Callable[[], None], rows: int) -> float:
    began = time.perf_counter()
    run()
    return rows / (time.perf_counter() - began)


def table(rounds: Sequence[dict[str, float]]) -> str:
    """Return the median rows a second of all, and how many times our best one is of each."""
    lines = []
    best = max((name for name in rounds[0] if name.startswith(OURS)), key=_median(rounds))
    for name in rounds[0]:
        # Round by round, since a machine's speed drifts.
        ratios = [speeds[best] / speeds[name] for speeds in rounds]
        of_ours = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"{name:36}{_median(rounds)(name):8.1f} rows/s   our best / it {of_ours}")
    return "\n".join(lines)


def _median(rounds: Sequence[dict[str, float]]) -> Callable[[str], float]:
    return lambda name: median(speeds[name] for speeds in rounds)


if __name__ == "__main__":
    main()
