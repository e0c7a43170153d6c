"""Rows and tokens on disk, made once and verified by checksums; what is damaged is made again.

Beside them lies an index of every dataset: its files' sizes and checksums when they were made. The
sizes are compared whenever the dataset is opened, the checksums before a stage trains on it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlbench.progress import doing
from tlbench.store import claims
from tlbench.store.disk import writing
from tlbench.store.integrity import checksum, set_aside, unseal, write_sealed

if TYPE_CHECKING:  # tlbench-store reads only indices, and starts faster without datasets
    from datasets import Dataset

SMALL = 100_000  # bytes: below, a checksum costs too little to be left out


def cached(
    make: Callable[[], "Dataset"], cache_dir: str, key: str, verify: bool, phase: str
) -> "Dataset":
    """Return a dataset that is opened or, where it is missing or damaged, made by ``make``.

    Args:
        make: opens the dataset below ``cache_dir``, or makes it there.
        cache_dir: the folder of all datasets.
        key: a digest of its content, 32 digits or more.
        verify: compare the checksums too, which reads all of it.
        phase: what a person reads while it is made.

    Raises:
        UserError: if ``cache_dir`` can't be written.
    """
    index = Path(cache_dir) / "index" / f"{key[:32]}.json"
    with writing("cache_dir", cache_dir):
        index.parent.mkdir(parents=True, exist_ok=True)
        if damage(index, verify):
            claim_file = index.with_suffix(".claim")
            with claims.hold(claim_file, f"what is damaged in {cache_dir}") as claim:
                problems = damage(index, verify)  # again: another process may have repaired it
                claim.check()
                _set_aside(index, problems)
        with nullcontext() if index.exists() else doing(phase, "row"):
            dataset = make()
        if dataset.cache_files and not index.exists():  # without files it is in memory alone
            _write_index(index, dataset)
    return dataset


def indices(cache_dir: Path) -> Iterator[Path]:
    """Yield the index of every dataset in a cache."""
    yield from sorted((cache_dir / "index").glob("*.json"))


def damage(index: Path, verify: bool = True) -> list[str]:
    """Return what is wrong with a dataset's files; [] if nothing is, or if there is no index.

    Args:
        index: of the dataset.
        verify: compare the checksums of large files too.
    """
    try:
        files = _read_index(index)
    except FileNotFoundError:
        return []
    except (ValueError, KeyError) as error:
        return [f"{index} is no index ({error})"]
    problems = []
    for name, expected in files.items():
        file = index.parents[1] / name
        if not file.is_file():
            problems.append(f"{name} is missing")
        elif file.stat().st_size != expected["bytes"]:
            problems.append(f"{name} has another size")
        elif (verify or expected["bytes"] < SMALL) and checksum(file) != expected["sha256"]:
            problems.append(f"{name} has changed")
    return problems


def _read_index(index: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = unseal(json.loads(index.read_text("utf-8")))["files"]
    return files


def _set_aside(index: Path, problems: list[str]) -> None:
    if not problems:
        return
    cache_dir, why = index.parents[1], "; ".join(problems)
    # A damaged index does not say which files are the dataset's: then they stay, unlisted.
    with suppress(ValueError, KeyError):
        for name in _read_index(index):
            set_aside(cache_dir / name, cache_dir, why)
    set_aside(index, cache_dir, why)


def _write_index(index: Path, dataset: "Dataset") -> None:
    """Write the index of a dataset: of its rows, and the description that it is opened with.

    Two processes that make the same dataset write the same index.
    """
    arrow_files = [Path(file["filename"]) for file in dataset.cache_files]
    description = arrow_files[0].with_name("dataset_info.json")
    # Tokens (``cache-...``) lie in the folder of their rows, whose description is not theirs.
    described = not arrow_files[0].name.startswith("cache-") and description.exists()
    cache_dir = index.parents[1].resolve()
    files = {
        file.resolve().relative_to(cache_dir).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": checksum(file),
        }
        for file in (*arrow_files, *([description] if described else []))
    }
    write_sealed(index, {"files": files})
