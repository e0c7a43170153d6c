"""``tlbench-store verify``: compare stages, checkpoints, the cache and records with checksums."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from tlbench.config.identity import KEY_LENGTH
from tlbench.data import cache
from tlbench.errors import UserError
from tlbench.records.record import RECORD_FILE, record_damage
from tlbench.store.final_scores import scores_damage, scores_folders
from tlbench.store.store import CHECKPOINT, Store

CACHE = Path("multirun/.cache")
RECORDS = Path("multirun")

DamageByPath = dict[Path, list[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("--cache", type=Path, metavar="DIR", help=f"the cache_dir ({CACHE})")
    add("--records", type=Path, metavar="DIR", help=f"a folder with records below ({RECORDS})")


def run(store: Store, options: argparse.Namespace) -> int:
    """Print what is damaged; return 1 if anything is, else 0.

    Raises:
        UserError: if a folder that was named does not exist.
    """
    cache_dir = _folder(options.cache, CACHE)
    record_files = sorted(_folder(options.records, RECORDS).rglob(RECORD_FILE))
    damage_by_kind: dict[str, DamageByPath] = {
        "stages": {store.folder(key): store.damage(key) for key in store.finished()},
        "checkpoints": dict(_checkpoint_damage(store)),
        "test scores": dict(_test_damage(store)),
        "cached datasets": {index: cache.damage(index) for index in cache.indices(cache_dir)},
        "records": {file: list(filter(None, [record_damage(file)])) for file in record_files},
    }
    for kind, damage_by_path in damage_by_kind.items():
        _print(kind, damage_by_path)
    return int(any(any(by_path.values()) for by_path in damage_by_kind.values()))


def _test_damage(store: Store) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folder of every stage's test scores, with what is wrong with it."""
    for key in store.finished():
        for folder in scores_folders(store.folder(key)):
            yield folder, scores_damage(folder)


def _print(kind: str, damage_by_path: DamageByPath) -> None:
    for path, problems in damage_by_path.items():
        for problem in problems:
            print(f"{path}: {problem}")
    print(f"{len(damage_by_path)} {kind}, {sum(map(bool, damage_by_path.values()))} damaged")


def _folder(given: Path | None, default: Path) -> Path:
    """Return a folder, which may be missing if it is the default.

    Raises:
        UserError: if it was given, and does not exist.
    """
    if given is not None and not given.is_dir():
        raise UserError(f"Change --cache or --records: {given} does not exist.")
    return given or default


def _checkpoint_damage(store: Store) -> Iterator[tuple[Path, list[str]]]:
    """Yield the checkpoint of every interrupted stage, with what is wrong with it."""
    for file in sorted(store.work.glob(f"*/{CHECKPOINT}")):
        # A stage that is being trained replaces its files, even while they are read.
        if store.is_claimed(file.parent.name[:KEY_LENGTH]):
            continue
        from tlbench.training import checkpoint_io  # here: it imports torch, which takes seconds

        try:
            checkpoint_io.read(file)
            yield file, []
        except ValueError as damage:
            yield file, [str(damage)]
