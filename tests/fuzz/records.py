"""Result records: broken copies of real ones, in a study that is reported, rerun and verified."""

import json
import random
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import mutated_json
from tlbench.analysis.collect import collect
from tlbench.analysis.study import analyse_study
from tlbench.cli.store import main as store
from tlbench.records.packing import sources
from tlbench.records.record import RECORD_FILE, jsonable, read_record
from tlbench.records.rerun_config import prepare_rerun
from tlbench.report.report import write_report

_PUBLISHED = Path(__file__).parents[2] / "notebooks" / "glue_cpu" / "records.parquet"
_GOOD = [jsonable(asdict(source.read())) for source in islice(sources([_PUBLISHED]), 0, 120, 10)]


def case(rng: random.Random, folder: Path) -> Callable[[], Any]:
    """Write a study of a few good records and a broken one; return what reads it."""
    study = folder / "study"
    for i, record in enumerate(rng.sample(_GOOD, 4)):
        _write(study / str(i), json.dumps(record))
    _write(study / "broken", mutated_json(rng, rng.choice(_GOOD)))
    broken = study / "broken" / RECORD_FILE
    chosen = rng.choice(["analyse"] * 6 + ["rerun"] * 6 + ["verify"] * 3 + ["report"])
    by = rng.choice([[], [], ["encoder"], ["seed"], ["optim.lr"], ["study"]])

    def analyse() -> None:
        records = collect([study])
        analyses = analyse_study(records, by, ["mtl", "stilts"])
        if chosen == "report":
            write_report(records, analyses, folder / "report")

    def verify() -> None:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            store(["--store", str(folder / "store"), "verify", "--records", str(study)])

    def rerun() -> None:
        prepare_rerun(read_record(broken), folder / "rerun", trust=rng.random() < 0.5)

    return {"rerun": rerun, "verify": verify}.get(chosen, analyse)


def _write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / RECORD_FILE).write_bytes(text.encode("utf-8", "replace"))
