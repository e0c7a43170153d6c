"""The command ``tlbench-store``: list, verify and prune the finished stages."""

import argparse
import shutil
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tlbench.config.identity import KEY_LENGTH
from tlbench.data import cache
from tlbench.errors import UserError
from tlbench.records.record import RECORD_FILE, record_damage
from tlbench.store.disk import writing
from tlbench.store.integrity import ASIDE
from tlbench.store.store import CHECKPOINT, WORK, Store

DAY = 86400.0
CACHE = Path("multirun/.cache")
RECORDS = Path("multirun")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 if all is well, 1 if damage was found or the store is not there."""
    options = _parser().parse_args(arguments)
    try:
        if not Path(options.store).is_dir():
            raise UserError(f"Change --store: {options.store} is not there.")
        if not (Path(options.store) / WORK).is_dir():
            raise UserError(f"Change --store: {options.store} is no store, the store_dir of a run.")
        code: int = options.run(Store(options.store), options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except PermissionError as error:
        print(f"Change the permissions of {error.filename}, or --store: {error}", file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tlbench-store", description=__doc__)
    parser.add_argument("--store", default="multirun/.store", help="the store_dir of your runs")
    commands = parser.add_subparsers(required=True)
    ls = commands.add_parser("ls", help="list the finished stages")
    ls.set_defaults(run=_ls)
    verify = commands.add_parser("verify", help="compare all there is with its checksums")
    verify.add_argument("--cache", type=Path, metavar="DIR", help=f"the cache_dir ({CACHE})")
    verify.add_argument(
        "--records", type=Path, metavar="DIR", help=f"a folder with records below ({RECORDS})"
    )
    verify.set_defaults(run=_verify)
    prune = commands.add_parser("prune", help="remove abandoned work, and what the options name")
    prune.add_argument("--damaged", action="store_true", help="what is damaged or set aside")
    prune.add_argument("--checkpoints", type=_days, metavar="DAYS", help="those written before")
    prune.add_argument("--older-than", type=_days, metavar="DAYS", help="stages finished before")
    prune.add_argument("--weights", action="store_true", help="weights, not scores")
    prune.add_argument("--dry-run", action="store_true", help="say it, do not do it")
    prune.set_defaults(run=_prune)
    return parser


def _days(text: str) -> float:
    if not (days := float(text)) >= 0:
        raise ValueError
    return days


def _ls(store: Store, options: argparse.Namespace) -> int:
    table = Table(title=f"Finished stages in {store.root}")
    for column in ("key", "stage", "seed", "scores", "steps", "weights of", "MB"):
        table.add_column(column)
    for found in store.stages():
        scores = [f"{name} {_points(task)}" for name, task in found["tasks"].items()]
        table.add_row(
            found["key"],
            found["title"],
            str(found.get("seed", found.get("ingredients", {}).get("seed", "-"))),
            ", ".join(scores),
            str(found["steps"]),
            ", ".join(found["weights"]) or "-",
            f"{_megabytes(store.folder(found['key'])):.1f}",
        )
    Console(soft_wrap=True).print(table)
    return 0


def _points(task: dict[str, Any]) -> str:
    return "-" if task["score"] is None else f"{100 * task['score']:.1f}"


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


def _verify(store: Store, options: argparse.Namespace) -> int:
    cached, records = _folder(options.cache, CACHE), _folder(options.records, RECORDS)
    checked = {
        "stages": {store.folder(key): store.damage(key) for key in store.finished()},
        "checkpoints": dict(_checkpoints(store)),
        "cached datasets": {index: cache.damage(index) for index in cache.indices(cached)},
        "records": {
            file: [wrong] if (wrong := record_damage(file)) else []
            for file in sorted(records.rglob(RECORD_FILE))
        },
    }
    for kind, found in checked.items():
        for place, lines in found.items():
            for line in lines:
                print(f"{place}: {line}")
        print(f"{len(found)} {kind}, {sum(map(bool, found.values()))} damaged")
    return int(any(wrong for found in checked.values() for wrong in found.values()))


def _folder(asked: Path | None, usual: Path) -> Path:
    """A folder that may be missing unless it was asked for."""
    if asked is not None and not asked.is_dir():
        raise UserError(f"Change --cache or --records: {asked} is not there.")
    return asked or usual


def _checkpoints(store: Store) -> Iterator[tuple[Path, list[str]]]:
    """The checkpoints of interrupted stages; of one at work, the files come and go."""
    for file in sorted(store.work.glob(f"*/{CHECKPOINT}")):
        if not store.is_claimed(file.parent.name[:KEY_LENGTH]):
            from tlbench.training import checkpoint_io  # torch, without which the rest does

            try:
                checkpoint_io.read(file)
                yield file, []
            except ValueError as damage:
                yield file, [str(damage)]


def _prune(store: Store, options: argparse.Namespace) -> int:
    say = "would remove" if options.dry_run else "removed"
    with writing("--store", store.root):
        for folder in _doomed(store, options):
            if options.dry_run or _remove(folder, store):
                print(f"{say} {folder}")
        if options.weights:
            for key in store.finished():
                if (store.folder(key) / "weights").exists() and store.find(key):
                    print(f"{say} {store.folder(key) / 'weights'}")
                    if not options.dry_run:
                        store.drop_weights(key)
    return 0


def _remove(doomed: Path, store: Store) -> bool:
    """Remove a file or folder, if it is still there: a job may just have gone on with it."""
    aside = store.work / f"removed-{uuid.uuid4().hex[:8]}"
    try:
        doomed.rename(aside)
    except FileNotFoundError:
        return False
    shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
    return True


def _doomed(store: Store, options: argparse.Namespace) -> list[Path]:
    """Work that nobody has touched for a day, and what the options name."""
    found = list(_abandoned(store, options.checkpoints))
    for key in store.finished():
        folder = store.folder(key)
        manifest = folder / "stage.json"
        age = _days_old(manifest if manifest.exists() else folder)
        old = options.older_than is not None and age > options.older_than
        if old or (options.damaged and store.damage(key)):
            found.append(folder)
    aside = store.root / ASIDE
    return [*found, aside] if options.damaged and aside.exists() else found


def _abandoned(store: Store, checkpoint_days: float | None) -> Iterator[Path]:
    """Work that no job is at; a checkpoint only of so many days, as its job may be in a queue."""
    for path in sorted(store.work.iterdir()):
        checkpoint_io = path / CHECKPOINT
        if store.is_claimed(path.name[:KEY_LENGTH]):
            continue
        if not checkpoint_io.exists():
            if _days_old(path) > 1:
                yield path
        elif checkpoint_days is not None and _days_old(checkpoint_io) > checkpoint_days:
            yield path
        elif _days_old(checkpoint_io) > 1:
            print(f"kept {path}, to go on from; --checkpoints DAYS removes those that are older")


def _days_old(path: Path) -> float:
    """Days since it was written; none if a job has just taken it."""
    try:
        return (time.time() - path.stat().st_mtime) / DAY
    except FileNotFoundError:
        return 0.0


if __name__ == "__main__":
    sys.exit(main())
