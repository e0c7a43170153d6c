"""Measures the processor time that a large study costs beside its trainings.

A study of thousands of experiments whose stages are all in the store, made without training any:

python -m benchmarks.bookkeeping                         # 10,000 experiments, 50,000 stages
python -m benchmarks.bookkeeping --against ../before     # beside another checkout, as ratios
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode

from benchmarks.process import ROOT
from tlbench.config.search_path import CONF_DIR
from tlbench.jobs.job import run_job
from tlbench.plan.stage import Stage
from tlbench.records.build import stage_entries_before
from tlbench.records.provenance import package_versions
from tlbench.store.integrity import write_sealed
from tlbench.store.manifest import MANIFEST, with_checksums
from tlbench.store.store import Store
from tlbench.sweep.compose import Composer, combine
from tlbench.sweep.plan import Plan, make_plan

TASKS = "cola,mnli,mrpc,qnli,qqp,rte,sst2,stsb,wnli"
PER_SEED = 9 + 2 * 9 * 8  # experiments: single, and STILTs and MTL with every support
SMALL = ("suite=generated", "encoder=tiny", "logger=none", "study=large")
DEV_ROWS = 200


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the study and the store, time each command of each checkout, and print seconds."""
    parser = argparse.ArgumentParser("python -m benchmarks.bookkeeping", description=__doc__)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("--stages", type=int, default=50_000, help="of the store that is listed")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--only", default="", help="commands whose name has these words")
    parser.add_argument("--folder", type=Path, help="where to make them; kept, and used again")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as made:
        folder = (options.folder or Path(made)).absolute()
        overrides = sweep(-(-options.experiments // PER_SEED))
        if not (folder / "multirun").exists():
            make(folder, overrides, options.stages)
        checkouts = [ROOT, *([options.against.absolute()] if options.against else [])]
        for name, command in commands(overrides).items():
            if options.only not in name:
                continue
            times = []
            for checkout in checkouts:
                if "no records" in name:
                    shutil.rmtree(folder / "multirun" / "large", ignore_errors=True)
                times.append(processor_seconds(command, folder, checkout))
            print(f"{name:28}" + "".join(f"{seconds:9.1f} s" for seconds in times), end="")
            print(f"   1/{times[1] / times[0]:.1f}" if len(times) > 1 else "", flush=True)


def sweep(seeds: int) -> list[str]:
    """Return the overrides of the study: a grid of all pairs of nine tasks."""
    grid = [f"target_task={TASKS}", f"support_task={TASKS}", "strategy=single,stilts,mtl"]
    return [*SMALL, *grid, f"seed=range({seeds})"]


def commands(overrides: Sequence[str]) -> dict[str, list[str]]:
    """Return what is timed, in an order in which each finds what it needs."""
    run, large = ["-m", "tlbench", "-m", *overrides], ["--store", "large_store"]
    return {
        "dry run, no records": [*run, "hydra.sweeper.dry_run=true"],
        "sweep, no records": run,
        "sweep, all records there": run,
        "dry run, all records there": [*run, "hydra.sweeper.dry_run=true"],
        "report": ["-m", "tlbench.cli.report", "multirun/large", "--out", "report"],
        "store ls": ["-m", "tlbench.cli.store", *large, "ls"],
        "store verify": ["-m", "tlbench.cli.store", *large, "verify", "--records", "none"],
        "store prune": ["-m", "tlbench.cli.store", *large, "prune", "--weights", "--dry-run"],
    }


def processor_seconds(command: Sequence[str], folder: Path, checkout: Path) -> float:
    """Return the user and system time of a command and its children.

    Raises:
        SystemExit: if it fails, with the end of its output.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(  # noqa: S603 - a benchmark's own command
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(checkout), "WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if ran.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(ran.stdout + ran.stderr)[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def make(folder: Path, overrides: Sequence[str], stages: int) -> None:
    """Put all stages of a sweep into its store, and so many into another one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "none").mkdir()
    os.chdir(folder)  # stores are named from here, as for the commands
    manifests: dict[str, dict[str, Any]] = {}
    store = Store("multirun/.store")
    store.make_writable()
    predictions = folder / "predictions.parquet"
    _write_predictions(predictions)
    for stage in _plan(overrides).stages.values():
        manifests[stage.key] = _manifest(stage, manifests)
        _commit(store, stage.key, manifests[stage.key], predictions)
    large = Store("large_store")
    large.make_writable()
    known = list(manifests.values())
    for number in range(stages):
        key = hashlib.sha256(str(number).encode()).hexdigest()[:16]
        _commit(large, key, known[number % len(known)], predictions)


def _plan(overrides: Sequence[str]) -> Plan:
    with hydra.initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        hydra_object: Any = GlobalHydra.instance().hydra
        config = hydra_object.compose_config("config", list(overrides), RunMode.MULTIRUN)
        context = HydraContext(hydra_object.config_loader, Callbacks())
        sweeper: Any = Plugins.instance().instantiate_sweeper(
            hydra_context=context, task_function=run_job, config=config
        )
        composer = Composer(context.config_loader, config)
        axes = sweeper.axes(list(config.hydra.overrides.task))
        return make_plan(combine(axes, composer), Path("multirun/large"))


def _manifest(stage: Stage, manifests: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a training of a stage would leave, but for its numbers."""
    draw = np.random.default_rng(int(stage.key, 16))
    entries = {subset.name: _entry(subset.task, subset.count, draw) for subset in stage.subsets}
    before = {need.stage.key: manifests[need.stage.key] for need in stage.needs}
    scores = {
        name: {"dev": one["metrics"] | {"score": one["score"]}} for name, one in entries.items()
    }
    return {
        "title": stage.title,
        "seed": stage.config.seed,
        "encoder": stage.config.encoder.name,
        "tasks": entries,
        "history": [{"step": step, "tasks": scores} for step in (19, 38, 57, 76)],
        "shares": [[1.0]],
        "weights": [],
        "selections": ["dev", "cross_fit"],
        "diverged": None,
        "steps": 76,
        "instances": 2400,
        "seconds": 2.5,
        "device": "cpu",
        "devices": 1,
        "threads": 1,
        "precision": "32-true",
        "micro_batch_size": 32,
        "kernels": "unpadded",
        "resumed_under": [],
        "versions": package_versions(),
        "git_revision": "0" * 40,
        "fingerprint": stage.fingerprint(),
        "before": stage_entries_before(before),
    }


def _entry(task: Any, rows: int, draw: np.random.Generator) -> dict[str, Any]:
    metrics = {name: float(draw.uniform(0.4, 0.9)) for name in task.metrics}
    score = float(np.mean([metrics[name] for name in task.score]))
    labels = {str(label): rows // 2 for label in task.labels or ()}
    return {
        "score": score,
        "metrics": metrics,
        "majority_score": 0.5,
        "collapsed": False,
        "selected_by": score,
        "cross_fit": {"score": score, "metrics": metrics, "collapsed": False, "steps": [38, 57]},
        "step": 38,
        "train_rows": rows,
        "data": {"rows": rows, "labels": labels, "empty": 0, "duplicates": 0, "contradictory": 0},
    }


def _write_predictions(file: Path) -> None:
    draw = np.random.default_rng(0)
    half = np.arange(DEV_ROWS) % 2
    columns = {
        "split": ["dev"] * DEV_ROWS,
        "row": np.arange(DEV_ROWS),
        "label": draw.integers(0, 2, DEV_ROWS).astype(float),
        "prediction": draw.integers(0, 2, DEV_ROWS).astype(float),
        "prediction_cross_fit": draw.integers(0, 2, DEV_ROWS).astype(float),
        "half": half,
        "logit_0": draw.normal(size=DEV_ROWS),
        "logit_1": draw.normal(size=DEV_ROWS),
    }
    pq.write_table(pa.table(columns), file)


def _commit(store: Store, key: str, manifest: dict[str, Any], predictions: Path) -> None:
    folder = store.folder(key)
    (folder / "predictions").mkdir(parents=True)
    for task in manifest["tasks"]:
        shutil.copyfile(predictions, folder / "predictions" / f"{task}.parquet")
    write_sealed(folder / MANIFEST, with_checksums(key, manifest, folder))


if __name__ == "__main__":
    main()
