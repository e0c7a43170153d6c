"""``tlbench-store show KEY``: what a stage is, what it needs and who needs it, and its files."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tlbench.cli.store_ls import aligned, listed, shown, sizes
from tlbench.errors import UserError
from tlbench.records.definitions import NONE, support_of
from tlbench.records.packing import record_files
from tlbench.records.record import CONDITIONS, find_record
from tlbench.store.final_scores import sound_scores
from tlbench.store.manifest import MANIFEST, Manifest
from tlbench.store.store import Store

RECORDS = Path("multirun")
_MOST = 5  # experiments and stages that are named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("key", help="of the stage, or as much of its beginning as is enough")
    parser.add_argument(
        "--records", type=Path, default=RECORDS, metavar="DIR", help="a folder with records below"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(store: Store, options: argparse.Namespace) -> int:
    """Print a stage; return 0.

    Raises:
        UserError: if the key is none, or the beginning of several.
    """
    facts = facts_of(store, _manifest(store, options.key.lower()), options.records)
    if options.json:
        print(json.dumps(facts, indent=1))
        return 0
    for line in aligned(list(_rows(facts))):
        print(line)
    return 0


def _manifest(store: Store, begin: str) -> Manifest:
    keys = [key for key in store.finished() if key.startswith(begin)]
    if len(keys) != 1:
        some = f"{', '.join(keys[:_MOST])}{', ...' if len(keys) > _MOST else ''}"
        why = f"{len(keys)} stages begin with it ({some})" if keys else "no stage begins with it"
        raise UserError(f"Change KEY: '{begin}' is no stage of {store.root}: {why}.")
    manifest = store.find(keys[0])
    if manifest is None:
        problems = "; ".join(store.damage(keys[0]))
        raise UserError(f"Give another KEY: stage {keys[0]} is damaged ({problems}).")
    return manifest


def facts_of(store: Store, manifest: Manifest, records: Path) -> dict[str, Any]:
    """Return all that is known of a stage.

    Args:
        records: the folder with the records of experiments that may need it.
    """
    key, folder = manifest["key"], store.folder(manifest["key"])
    settings = manifest.get("fingerprint", {}).get("config", {})
    encoder = {k.partition(".")[2]: v for k, v in settings.items() if k.startswith("encoder.")}
    experiments = list(_experiments(key, records))
    return {
        **listed(store, manifest),
        "folder": str(folder),
        "diverged": manifest.get("diverged"),
        "tasks": {name: _task(folder, name, one) for name, one in manifest["tasks"].items()},
        "encoder": {"name": manifest.get("encoder")} | encoder,
        "strategies": dict(Counter(one["strategy"] for one in experiments)),
        "experiments": experiments,
        **{name: manifest.get(name) for name in ("instances", "seconds", *CONDITIONS)},
        "needs": {k: one["title"] for k, one in manifest.get("before", {}).items()},
        "needed_by": {one["key"]: one["title"] for one in _users(store, key)},
        "finished": manifest.get("finished") or _oldest(folder),
        "owner": _owner(folder / MANIFEST),
        "git_revision": manifest.get("git_revision"),
        "versions": manifest.get("versions"),
        "files": sizes(folder),
    }


def _task(folder: Path, name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return what a stage has of a task: rows, scores, and where its predictions are."""
    cross_fit = entry.get("cross_fit") or {}
    told = ("train_rows", "score", "metrics", "majority_score", "collapsed", "step")
    predictions = folder / "predictions" / f"{name}.parquet"
    return {one: entry.get(one) for one in told} | {
        "cross_fit": cross_fit.get("score"),
        "test": [one["score"] for one in sound_scores(folder) if one["task"] == name],
        "predictions": str(predictions) if predictions.exists() else None,
    }


def _users(store: Store, key: str) -> Iterator[Manifest]:
    """Yield the stages that need one."""
    for other in store.finished():
        # Most do not name it: their manifests need not be parsed.
        if other != key and key in _text(store.folder(other) / MANIFEST):
            manifest = store.find(other)
            if manifest is not None and key in manifest.get("before", {}):
                yield manifest


def _experiments(key: str, records: Path) -> Iterator[dict[str, str]]:
    """Yield the experiments that a stage is of, as records below a folder say."""
    for file in record_files(records):
        record = find_record(file) if key in _text(file) else None
        if record is not None and key in record.stage_keys:
            support = support_of(record)
            arrow = "" if support == NONE else f"<-{support}"
            title = f"{record.strategy} {record.target_task}{arrow} s{record.seed}"
            yield {"strategy": record.strategy, "title": title, "folder": str(file.parent)}


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""  # damaged, or removed meanwhile: it names nothing


def _oldest(folder: Path) -> str:
    """Return when a stage of a version that did not say it was made, as its files tell."""
    times = [(folder / name).stat().st_mtime for name in sizes(folder)]
    return datetime.fromtimestamp(min(times), UTC).isoformat(timespec="seconds")


def _owner(file: Path) -> str:
    try:
        return file.owner()
    except KeyError:  # a user that this machine does not know
        return str(file.stat().st_uid)


def _rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a person reads: a name and a value a line."""
    yield "key", facts["key"]
    yield "stage", facts["stage"]
    yield "seed", str(facts["seed"])
    if facts["diverged"]:
        yield "diverged", facts["diverged"]
    for name, task in facts["tasks"].items():
        yield f"task {name}", ", ".join(_of_task(task))
        yield "  predictions", task["predictions"] or "-"
    encoder = {name: value for name, value in facts["encoder"].items() if value is not None}
    yield "encoder", ", ".join(f"{name} {value}" for name, value in encoder.items())
    yield "steps", f"{facts['steps']:,} ({facts['instances']:,} instances, {facts['seconds']} s)"
    yield "weights of", ", ".join(facts["weights"]) or "-"
    counts = facts["strategies"].items()
    yield "strategies", ", ".join(f"{name} ({count})" for name, count in counts) or "-"
    yield from _listed("experiment", [f"{e['title']}  {e['folder']}" for e in facts["experiments"]])
    for name, stages in (("needs", facts["needs"]), ("needed by", facts["needed_by"])):
        yield from _listed(name, [f"{key}  {title}" for key, title in stages.items()])
    conditions = [f"{name} {facts[name]}" for name in CONDITIONS if facts[name]]
    yield "made", f"{facts['finished']} by {facts['owner']}, {', '.join(conditions)}"
    versions = [f"{name} {version}" for name, version in (facts["versions"] or {}).items()]
    yield "versions", ", ".join([*versions, f"git {facts['git_revision'] or 'not known'}"])
    yield "folder", facts["folder"]
    files = [f"{name}  {size:,} bytes" for name, size in facts["files"].items()]
    yield from _listed("file", files, len(files))


def _of_task(task: dict[str, Any]) -> Iterator[str]:
    yield f"{task['train_rows']:,} train rows"
    yield f"score {shown(task['score'])} on dev"
    if task["cross_fit"] is not None:
        yield f"{shown(task['cross_fit'])} cross-fitted"
    yield from (f"{shown(score)} on test" for score in task["test"])
    yield f"majority class {shown(task['majority_score'])}"
    yield from (f"{name} {shown(value)}" for name, value in task["metrics"].items())
    if task["step"]:
        yield f"best at step {task['step']}"
    if task["collapsed"]:
        yield "collapsed"


def _listed(name: str, values: list[str], most: int = _MOST) -> Iterator[tuple[str, str]]:
    """Yield the first values, a line each, and how many more there are; ``-`` for none."""
    for i, value in enumerate(values[:most] or ["-"]):
        yield "" if i else name, value
    if len(values) > most:
        yield "", f"and {len(values) - most} more (--json has all)"
