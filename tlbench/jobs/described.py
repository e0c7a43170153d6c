"""What loggers are told of a job: what it is called and made of, and what it found."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tlbench.config.identity import setting_name
from tlbench.config.keys import recorded
from tlbench.jobs.loggers import RunInfo
from tlbench.plan.experiment import Experiment
from tlbench.plan.stage import Stage
from tlbench.records.build import encoder_word
from tlbench.records.provenance import git_revision, package_versions
from tlbench.records.record import ResultRecord


def describe(
    experiment: Experiment,
    plan: Sequence[Stage],
    folder: Path,
    alone: Stage | None,
    in_sweep: bool,
) -> RunInfo:
    """Return what a logger calls the job: the experiment, or the stage that it trains alone."""
    c = experiment.config
    stages = alone.graph() if alone else plan
    config = {
        **_own_part(recorded(c), {task for stage in stages for task in stage.tasks}),
        "git_revision": git_revision(),
        "versions": package_versions(),
        "folder": str(folder.absolute()),
        "stage_keys": [stage.key for stage in stages],
    }
    if alone:
        kind, title, tasks = "stage", f"stage {alone.title} s{c.seed}", list(alone.tasks)
    else:
        config["setting"] = setting_name(asdict(c))  # what it shares with the runs of other seeds
        kind, title = c.strategy.name, experiment.title
        tasks = [subset.name for subset in (experiment.target, *experiment.supports)]
    tags = dict.fromkeys([kind, *tasks, encoder_word(c.encoder.name), *c.tags])
    target = None if alone else experiment.target.name
    return RunInfo(title, c.study, kind, tuple(tags), config, folder, target, in_sweep)


def _own_part(config: dict[str, Any], tasks: set[str]) -> dict[str, Any]:
    """Return a config without the sources of other tasks and without the loggers."""
    suite = config["suite"]
    sources = {name: source for name, source in suite["sources"].items() if name in tasks}
    own = config | {"suite": suite | {"sources": sources}}
    del own["logger"]  # it changes nothing of the run, and may have somebody's key
    return own


def summary_of(record: ResultRecord) -> dict[str, Any]:
    """Return what a run ends with: the score, its metrics, and what they cost.

    What is not defined is not in it; ``outcome`` and ``undefined`` say so. The names of final
    numbers sort before those of curves, whose best or last value stands beside them.
    """
    trained = ("steps", "instances", "steps_reused", "instances_reused")
    costs = (*trained, "training_seconds", "device_hours")
    metrics = {f"final/{name}": value for name, value in record.metrics.items()}
    test = record.test or {}
    on_test = {name: test.get(name) for name in ("score", "majority_score", "collapsed", "rows")}
    on_test |= test.get("metrics", {})
    found = {
        "outcome": record.outcome,
        "undefined": ", ".join(record.undefined) or None,
        "collapsed": record.collapsed,
        "score": record.score,
        **{f"score_{name}": value for name, value in record.scores_by_selection.items()},
        "majority_score": record.majority_score,
        **metrics,
        **{f"test/{name}": value for name, value in on_test.items()},
        **{name: getattr(record, name) for name in costs},
        "device": record.device or None,
    }
    return {name: value for name, value in found.items() if value is not None}
