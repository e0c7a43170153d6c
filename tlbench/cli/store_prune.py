"""``tlbench-store prune``: remove abandoned work, and what its options name."""

import argparse
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tlbench.config.identity import KEY_LENGTH
from tlbench.store.disk import writing
from tlbench.store.final_scores import scores_damage, scores_folders
from tlbench.store.integrity import ASIDE
from tlbench.store.manifest import MANIFEST
from tlbench.store.store import Store
from tlbench.store.work import to_go_on_from

DAY = 86400.0  # seconds
_ABANDONED = 1.0  # days after which work without a checkpoint is nobody's


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add = parser.add_argument
    add("--damaged", action="store_true", help="what is damaged or set aside")
    add("--checkpoints", type=_days, metavar="DAYS", help="those written before")
    add("--older-than", type=_days, metavar="DAYS", help="stages finished before")
    add("--weights", action="store_true", help="weights, not scores")
    add("--dry-run", action="store_true", help="say it, do not do it")


def _days(text: str) -> float:
    if not (days := float(text)) >= 0:  # NaN is refused too
        raise ValueError
    return days


def run(store: Store, options: argparse.Namespace) -> int:
    """Remove and print what the options name, or with ``--dry-run`` print it; return 0.

    Raises:
        UserError: if the store can't be written.
    """
    verb = "would remove" if options.dry_run else "removed"
    with writing("--store", store.root):
        for path in _to_remove(store, options):
            if options.dry_run or _remove(path, store):
                print(f"{verb} {path}")
        # After the removals, so that stages that are gone are not listed again.
        for key in store.finished() if options.weights else []:
            weights = store.folder(key) / "weights"
            if weights.exists() and store.find(key):
                print(f"{verb} {weights}")
                if not options.dry_run:
                    store.drop_weights(key)
    return 0


def _remove(path: Path, store: Store) -> bool:
    """Remove a file or folder; return False if it no longer exists."""
    # Renamed first: a job may just resume from it, and whoever renames it first has it whole.
    aside = store.work / f"removed-{uuid.uuid4().hex[:8]}"
    try:
        path.rename(aside)
    except FileNotFoundError:
        return False
    shutil.rmtree(aside) if aside.is_dir() else aside.unlink()
    return True


def _to_remove(store: Store, options: argparse.Namespace) -> list[Path]:
    paths = list(_abandoned(store, options.checkpoints))
    for key in store.finished():
        folder = store.folder(key)
        # A damaged stage may have no manifest.
        manifest = folder / MANIFEST
        age = _age(manifest if manifest.exists() else folder)
        old = options.older_than is not None and age > options.older_than
        if old or (options.damaged and store.damage(key)):
            paths.append(folder)
        elif options.damaged:
            paths += [scored for scored in scores_folders(folder) if scores_damage(scored)]
    set_aside = store.root / ASIDE
    return [*paths, set_aside] if options.damaged and set_aside.exists() else paths


def _abandoned(store: Store, checkpoint_days: float | None) -> Iterator[Path]:
    """Yield the work that no job is at, and nobody has touched for a day.

    Args:
        store: that holds it.
        checkpoint_days: age from which work with a checkpoint is yielded; None: it never is.
    """
    for path in sorted(store.work.iterdir()):
        checkpoint = to_go_on_from(path)
        if store.is_claimed(path.name[:KEY_LENGTH]):
            continue
        if checkpoint is None:
            if _age(path) > _ABANDONED:
                yield path
        elif checkpoint_days is not None and _age(checkpoint) > checkpoint_days:
            yield path
        elif _age(checkpoint) > _ABANDONED:
            # Its job may wait in a cluster's queue for days, so this is for the user to decide.
            print(f"kept {path}, to resume from; --checkpoints DAYS removes those that are older")


def _age(path: Path) -> float:
    """Return the days since a path was written; 0 if a job has just taken it."""
    try:
        return (time.time() - path.stat().st_mtime) / DAY
    except FileNotFoundError:
        return 0.0
