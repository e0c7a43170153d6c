"""Rows and tokens on disk, made once: their checksums, and what is damaged made again.

Beside them lies an index of every dataset: its files' sizes and checksums when they were made. The
sizes are compared whenever the dataset is opened, the checksums before a stage trains on it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlbench.store import claims
from tlbench.store.disk import writing
from tlbench.store.integrity import checksum, set_aside, unseal, write_sealed

if TYPE_CHECKING:  # tlbench-store does without it
    from datasets import Dataset

_SMALL = 100_000  # bytes, of which the checksum costs nothing


def cached(make: Callable[[], "Dataset"], cache_dir: str, key: str, verify: bool) -> "Dataset":
    """What ``make`` opens or, where it is not there or damaged, makes.

    Args:
        key: of its content, 32 digits or more.
        verify: compare the checksums too, which reads all of it.

    Raises:
        UserError: if ``cache_dir`` can't be written.
    """
    index = Path(cache_dir) / "index" / f"{key[:32]}.json"
    with writing("cache_dir", cache_dir):
        index.parent.mkdir(parents=True, exist_ok=True)
        if damage(index, verify):
            file = index.with_suffix(".claim")
            with claims.hold(file, f"what is damaged in {cache_dir}") as claim:
                wrong = damage(index, verify)  # again: another process may have mended it
                claim.check()
                _set_aside(index, wrong)
        found = make()
        if found.cache_files and not index.exists():
            _write(index, found)
    return found


def indices(cache_dir: Path) -> Iterator[Path]:
    """The index of every dataset in a cache."""
    yield from sorted((cache_dir / "index").glob("*.json"))


def damage(index: Path, verify: bool = True) -> list[str]:
    """What is wrong with the files of a dataset; empty if nothing, or if there is no index."""
    try:
        files = _read(index)
    except FileNotFoundError:
        return []
    except (ValueError, KeyError) as error:
        return [f"{index} is no index ({error})"]
    wrong = []
    for name, known in files.items():
        file = index.parents[1] / name
        if not file.is_file():
            wrong.append(f"{name} is missing")
        elif file.stat().st_size != known["bytes"]:
            wrong.append(f"{name} has another size")
        elif (verify or known["bytes"] < _SMALL) and checksum(file) != known["sha256"]:
            wrong.append(f"{name} has changed")
    return wrong


def _read(index: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = unseal(json.loads(index.read_text("utf-8")))["files"]
    return files


def _set_aside(index: Path, wrong: list[str]) -> None:
    if not wrong:
        return
    top = index.parents[1]
    with suppress(ValueError, KeyError):  # without an index nobody knows which files these are
        for name in _read(index):
            set_aside(top / name, top, "; ".join(wrong))
    set_aside(index, top, "; ".join(wrong))


def _write(index: Path, found: "Dataset") -> None:
    """The index of a dataset: of its rows, and of the description without which it is not opened.

    Two processes that make the same write the same.
    """
    made = [Path(file["filename"]) for file in found.cache_files]
    info = made[0].with_name("dataset_info.json")
    described = [info] if not made[0].name.startswith("cache-") and info.exists() else []
    top = index.parents[1].resolve()
    files = {
        file.resolve().relative_to(top).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": checksum(file),
        }
        for file in (*made, *described)
    }
    write_sealed(index, {"files": files})
