"""``tlbench-store ls``: a line for every finished stage, with its key in full."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlbench.store.manifest import Manifest
from tlbench.store.store import Store

_HEADINGS = ("key", "stage", "seed", "scores", "steps", "weights of", "MB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--json", action="store_true", help="a JSON object for each, a line each")


def run(store: Store, options: argparse.Namespace) -> int:
    """Print the stages of a store, by key; return 0."""
    if options.json:
        for manifest in store.stages():
            print(json.dumps(listed(store, manifest)))
        return 0
    rows = [_row(listed(store, manifest)) for manifest in store.stages()]
    for line in aligned([_HEADINGS, *rows]):
        print(line)
    return 0


def listed(store: Store, manifest: Manifest) -> dict[str, Any]:
    """Return what is listed of a stage; scores are fractions, or None."""
    key = manifest["key"]
    return {
        "key": key,
        "stage": manifest["title"],
        "seed": manifest.get("seed", manifest.get("ingredients", {}).get("seed")),
        "scores": {name: task["score"] for name, task in manifest["tasks"].items()},
        "steps": manifest["steps"],
        "weights": manifest["weights"],
        "bytes": sum(sizes(store.folder(key)).values()),
    }


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    return (
        one["key"],
        one["stage"],
        "-" if one["seed"] is None else str(one["seed"]),
        ", ".join(f"{name} {shown(score)}" for name, score in one["scores"].items()),
        str(one["steps"]),
        ", ".join(one["weights"]) or "-",
        f"{one['bytes'] / 1e6:.1f}",
    )


def shown(score: float | None) -> str:
    """Return a score in points, ``-`` for none."""
    return "-" if score is None else f"{100 * score:.1f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns below each other, nothing of them cut off.

    A table of a narrow terminal would cut keys, and one of thousands of rows takes long to fit.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of all files below a folder, by their names in it."""
    found: dict[str, int] = {}
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        if entry.is_dir(follow_symlinks=False):
            inside = sizes(Path(entry.path))
            found |= {f"{entry.name}/{name}": size for name, size in inside.items()}
        else:
            found[entry.name] = entry.stat().st_size
    return found
