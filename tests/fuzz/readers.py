"""Files of rows: random bytes, and broken copies of good files, in every format and compression."""

import bz2
import gzip
import io
import lzma
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tests.fuzz.mutations import mutated_bytes
from tlbench.config.schema import Source, Task
from tlbench.data.files import file_rows
from tlbench.data.readers import FILE_FORMATS

_TABLE = pd.DataFrame(
    {
        "text": ["a", 'say "b"', "c, d\te", "\N{SNOWMAN}"] * 5,
        "label": ["0", "1"] * 10,
        "when": pd.date_range("2020-01-01", periods=20),
        "many": [[1, 2]] * 20,
    }
)


def _zipped(content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows", content)
    return written.getvalue()


_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": _zipped,
}


def _good(name: str) -> bytes:
    if name == "parquet":
        written = io.BytesIO()
        _TABLE.to_parquet(written)
        return written.getvalue()
    if name == "jsonl":
        return str(_TABLE.to_json(orient="records", lines=True, date_format="iso")).encode()
    return str(_TABLE.to_csv(index=False, sep="," if name == "csv" else "\t")).encode()


_GOOD = {name: _good(name) for name in FILE_FORMATS}


def case(rng: random.Random, folder: Path) -> Callable[[], Any]:
    """Write a file; return what reads it."""
    name, (suffix, packed) = rng.choice(FILE_FORMATS), rng.choice([*_PACKED.items()])
    content = _GOOD[name] if rng.random() < 0.8 else rng.randbytes(rng.choice([0, 1, 50, 5000]))
    content = mutated_bytes(rng, content) if rng.random() < 0.7 else content
    content = packed(content)
    content = mutated_bytes(rng, content) if rng.random() < 0.5 else content
    file = folder / f"rows.{name}{suffix}"
    file.write_bytes(content)
    source = Source(
        format=name,
        path=str(folder),
        train=file.name,
        text=["text"],
        label="label",
        header=rng.random() < 0.9,
        encoding=rng.choice([None, None, None, "latin-1", "utf-16", "utf-7", "idna", "zip", "no"]),
        delimiter=rng.choice([None, None, None, ";", "", "\0", "ab"]),
        quoting=rng.choice([None, True, False]),
        keep=rng.choice([None, None, "label != '1'", "column('text') == 1", "len(text) > 'a'"]),
        strip=rng.random() < 0.2,
    )
    task = Task("fuzzed", ["0", "1"], ["accuracy"], ["accuracy"], source)
    return lambda: list(file_rows(task, file, name))
