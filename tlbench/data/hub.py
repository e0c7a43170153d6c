"""The rows of a task that are a dataset of the hub, or of a local folder that datasets reads."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    IterableDataset,
    ReadInstruction,
    load_dataset,
    load_dataset_builder,
    load_from_disk,
)
from datasets.packaged_modules.csv.csv import CsvConfig
from huggingface_hub.utils.logging import set_verbosity_error

from tlbench.config.bounds import MOST_BYTES, check_bounds
from tlbench.config.schema import Task
from tlbench.data.files import is_saved
from tlbench.data.parsing import usable_rows
from tlbench.data.readers import Row
from tlbench.errors import UserError
from tlbench.progress import counted, doing
from tlbench.tasks.label_columns import label_column

# That the hub can't be reached is said once, by our own error, and not at each of its retries.
set_verbosity_error()  # type: ignore[no-untyped-call]

Place = tuple[str, str, str | None, str]  # task, path, config and split
_ONE = "train"  # what the only part of a Dataset that was saved alone is called


def place_of(task: Task, name: str, origin: Any) -> Place:
    """Return where a split of a task is.

    Args:
        name: the split's.
        origin: what the source says of it; None for ``train`` of the dataset.

    Raises:
        UserError: if nothing says what another split is.
    """
    if origin is None and name != "train":
        raise UserError(
            f"Add source.{name} to task '{task.name}': name a split of the dataset, or a fraction "
            "to cut off its train."
        )
    return task.name, task.source.path, task.source.name, str(origin or _ONE)


def label_names(task: Task, place: Place) -> list[str] | None:
    """Return the names of labels that are stored as indices into them; None of any others."""
    label = (load(*place).features or {}).get(str(label_column(task)))
    label = getattr(label, "feature", label)  # of a list that of its members
    return list(label.names) if isinstance(label, ClassLabel) else None


def hub_rows(task: Task, place: Place, names: list[str] | None) -> Iterator[Row]:
    """Yield the usable rows of a split, its labels by name.

    Raises:
        UserError: as ``usable_rows`` does.
    """
    column = str(label_column(task))

    def name_of(index: Any) -> Any:
        # -1 stands for a label that is withheld.
        return names[index] if names and isinstance(index, int) and index >= 0 else index

    def named(row: Row) -> Row:
        if names is None or column not in row:
            return row
        label = row[column]
        is_list = isinstance(label, list)
        return {**row, column: [*map(name_of, label)] if is_list else name_of(label)}

    _, path, name, split = place
    rows = ((number, named(row)) for number, row in enumerate(load(*place)))
    said = " ".join(filter(None, (path, name, split)))
    yield from usable_rows(task, f"{said}, row", rows)


@cache
def load(task: str, path: str, name: str | None, split: str) -> Dataset | IterableDataset:
    """Return a split, or what ``train[:80%]`` and the like leave of it.

    A ``path`` on the hub may end in ``@`` and a revision, as those of its file system do.

    Raises:
        UserError: if it can't be loaded.
    """
    place = Path(path)
    try:
        with doing(_phase(task, path, name, split)):
            if is_saved(place):
                return _part(_saved(place), split)
            if place.is_dir():
                _check_card(place / "README.md")
                return _part(_streamed(path, name), split)
            # Whatever revision this is, a digest of its rows goes into the stage's key.
            repository, _, revision = path.partition("@")
            return load_dataset(repository, name, split=split, revision=revision or None)  # nosec B615
    except UserError:
        raise
    except Exception as error:  # datasets has no common base class for "does not exist"
        reason = str(error).splitlines()[0]
        said = " ".join(filter(None, (f"'{path}'", name, split)))
        raise UserError(
            f"Change suite (suite=glue_tsv and suite=generated need no download) or source.path of "
            f"task '{task}': {said} can't be loaded ({reason})."
        ) from error


def _check_card(card: Path) -> None:
    """Refuse YAML at the top of a dataset's card that has no bounds: datasets copies what it says.

    Raises:
        UserError: naming the card.
    """
    if card.is_file():
        with card.open(encoding="utf-8", errors="replace") as opened:
            begin = opened.read(2 * MOST_BYTES)
        _, *parts = re.split(r"^---\s*$", begin, maxsplit=2, flags=re.M)
        check_bounds(card, parts[0] if parts else "")


def _saved(folder: Path) -> Mapping[str, Dataset]:
    saved = load_from_disk(folder)
    return saved if isinstance(saved, DatasetDict) else {_ONE: saved}


def _streamed(path: str, name: str | None) -> Mapping[str, IterableDataset]:
    # datasets caches a local folder under its last name: two folders, or one that was edited,
    # would be taken for the same. Streaming reads it as it is.
    options: dict[str, Any] = {}
    if isinstance(load_dataset_builder(path, name).config, CsvConfig):  # nosec B615
        options["keep_default_na"] = False  # None, NA and null are texts, as in format=csv
    splits: Mapping[str, IterableDataset] = load_dataset(  # nosec B615
        path, name, streaming=True, **options
    )
    return splits


def _part(splits: Mapping[str, Any], spec: str) -> Dataset | IterableDataset:
    """Return the rows of a spec like ``train``, ``train[:80%]`` or ``train[:10]+test``."""
    if spec in splits:
        whole: Dataset | IterableDataset = splits[spec]
        return whole
    counts = {name: sum(1 for _ in rows) for name, rows in splits.items()}
    parts = ReadInstruction.from_spec(spec).to_absolute(counts)
    chosen = [
        (p.splitname, p.from_ or 0, counts[p.splitname] if p.to is None else p.to) for p in parts
    ]

    def rows() -> Iterator[Row]:
        for name, start, end in chosen:
            yield from islice(splits[name], start, end)

    features = next(iter(splits.values())).features
    return IterableDataset.from_generator(rows, features=features)


@cache  # reading all rows takes seconds, and a sweep asks for every experiment
def content_of(*place: Any) -> str:
    """Return a digest of a split's rows.

    Of the rows and not of the files: a hub's dataset may be stored in other files, or be a local
    copy, and have the same rows.
    """
    sha = hashlib.sha256()
    with doing(_phase(*place), "batch"):
        for batch in counted(load(*place).iter(batch_size=10_000)):
            sha.update(json.dumps(batch, sort_keys=True, default=str).encode())
    return sha.hexdigest()


def _phase(task: str, path: str, name: str | None, split: str) -> str:
    return f"reading {task} from {' '.join(filter(None, (path, name, split)))}"
