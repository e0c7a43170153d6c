"""Rows that a stage has written: the file, and splits of it that are known before it is there.

Which rows they are follows from the stage's key. So plans know their digests and how many they are
while nobody has written any.
"""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from tlbench.config.schema import Task
from tlbench.data.files import content_of, file_rows
from tlbench.data.readers import Row
from tlbench.data.split import Split
from tlbench.store.manifest import ROWS_FILE

TEXTS = ("text_a", "text_b")


@dataclass(frozen=True)
class WrittenSplit(Split):
    """A split of rows that may not be written yet.

    Attributes:
        file: that will hold them.
    """

    file: Path = Path(ROWS_FILE)

    @property
    def cache_key(self) -> str:
        """A digest of the rows as they were written: on another device they may be others."""
        return hashlib.sha256(f"{self.key} {content_of(self.file)}".encode()).hexdigest()


def written_splits(
    task: Task, folder: Path, stage_key: str, counts: Mapping[str, int]
) -> dict[str, Split]:
    """Return the splits of a task whose rows a stage writes.

    Args:
        task: with the source of ``as_written``.
        folder: of the stage, finished or not.
        stage_key: of the stage.
        counts: by split how many rows it has, in their order in the file.
    """
    file, splits, first = folder / ROWS_FILE, dict[str, Split](), 0
    for name, count in counts.items():
        digest = hashlib.sha256(f"written {stage_key} {name} {count}".encode()).hexdigest()
        make = partial(_part, task, file, first, first + count)
        splits[name] = WrittenSplit(task, name, digest, make, file)
        first += count
    return splits


def _part(task: Task, file: Path, first: int, end: int) -> Iterable[Row]:
    return islice(file_rows(task, file, "csv"), first, end)


def write_rows(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file that is whole or absent."""
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(columns)
        writer.writerows(rows)
    draft.replace(file)
