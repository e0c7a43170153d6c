"""Makes result records from finished stages; a job does it, and a sweep for what needs no job."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tlbench.config.keys import recorded
from tlbench.config.remembered import Remembered
from tlbench.config.schema import Config
from tlbench.errors import UserError
from tlbench.plan.cross_fit import dev_readers
from tlbench.plan.experiment import Experiment
from tlbench.plan.final_scores import saved_scores
from tlbench.plan.stage import Stage, TaskSubset
from tlbench.records import asking
from tlbench.records.curve import dev_curve
from tlbench.records.record import (
    CONDITIONS,
    FAILED_STAGE_FILE,
    RECORD_FILE,
    ResultRecord,
    find_record,
    passes_of,
)

log = logging.getLogger(__name__)

_TEST = ("score", "metrics", "rows", "digest", "collapsed", "majority_score", "groups")
# Of stages that have them.
_OF_SOME = ("cosines", "domain_accuracy", "held_out", "pseudo_labels", "rows")
COSTS = ("steps", "instances", "passes", "seconds")


def finished_record(
    experiment: Experiment,
    plan: Sequence[Stage],
    found: dict[str, Any],
    trained: Collection[str] = (),
    remembered: Remembered | None = None,
) -> ResultRecord:
    """The record of an experiment whose last stage is finished.

    Args:
        found: the last stage's ``stage.json``.
        trained: the keys of the stages that were trained just now, for it; others are reused.
        remembered: of the experiments of one sweep, whose configs share their parts.
    """
    once = remembered or Remembered()
    final, c, diverged = plan[-1], experiment.config, found.get("diverged")
    mine = found["tasks"][experiment.target.name]
    selected = mine if diverged or c.selection != "cross_fit" else mine["cross_fit"]
    by_key = {**found["before"], final.key: stage_entry(found)}
    stages = [{"key": s.key, "reused": s.key not in trained} | by_key[s.key] for s in plan]
    stages = [stage | {"passes": passes_of(stage)} for stage in stages]
    subsets = (experiment.target, *experiment.supports)
    total = {name: sum(stage[name] for stage in stages) for name in COSTS}
    reused = {name: sum(stage[name] for stage in stages if stage["reused"]) for name in COSTS}
    return ResultRecord(
        study=c.study,
        strategy=c.strategy.name,
        target_task=experiment.target.name,
        support_tasks=[subset.name for subset in experiment.supports],
        encoder=encoder_word(c.encoder.name),
        seed=c.seed,
        status="diverged" if diverged else "done",
        error=diverged,
        score=selected["score"],
        scores_by_selection=_scores_by_selection(c.selection, mine),
        held_out_score=mine["selected_by"] if c.selection == "held_out" else None,
        threshold=mine.get("threshold"),
        dev_read_by=dev_readers(final, experiment.target.name),
        leaks=[asdict(leak) for leak in experiment.leaks],
        majority_score=mine["majority_score"],
        metrics=selected["metrics"],
        groups=selected.get("groups"),
        collapsed=selected["collapsed"],
        undefined=[]
        if diverged
        else [name for name, value in selected["metrics"].items() if value is None],
        train_rows=_train_rows(stages),
        dev_rows=experiment.target.dev_count["dev"],
        steps=total["steps"],
        instances=total["instances"],
        steps_reused=reused["steps"],
        instances_reused=reused["instances"],
        passes=total["passes"],
        passes_reused=reused["passes"],
        training_seconds=round(total["seconds"], 2),
        device=found["device"],
        stage_keys=[stage.key for stage in plan],
        stages=stages,
        encoder_identity=c.encoder.identity,
        git_revision=found.get("git_revision"),  # of whoever trained it, as the versions
        versions=found["versions"],
        config=recorded(c, once),
        tasks={subset.name: once(recorded, subset.task) for subset in subsets},
        digests={subset.name: _digests(subset) for subset in subsets},
        test=_test(final),
        finished=asking.now(),
    )


def _scores_by_selection(selection: str, entry: Mapping[str, Any]) -> dict[str, float | None]:
    """Return the scores under every selection of a task's entry in ``stage.json``."""
    if selection == "held_out":
        return {selection: entry["score"]}
    cross_fit = entry.get("cross_fit")  # None of a diverged stage, or of an older version's
    return {"dev": entry["score"], "cross_fit": cross_fit and cross_fit["score"]}


def _digests(subset: TaskSubset) -> dict[str, str]:
    test = {} if subset.test_digest is None else {"test": subset.test_digest}
    return subset.digests | test


def _test(last: Stage) -> dict[str, Any] | None:
    """Return what a record says of the test rows; None without scores of them."""
    scores = saved_scores(last) or {}
    said = {name: scores[name] for name in _TEST if name in scores}
    return said or None


def stage_entry(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a record says of a finished stage: what it took, and under which conditions."""
    tasks = manifest["tasks"]
    rows = {name: task["train_rows"] for name, task in tasks.items()}
    if taken := manifest.get("pseudo_labels"):
        rows[taken["task"]] = taken["rows"]
    data = {name: task.get("data") for name, task in tasks.items()}  # None: of an older version
    told = ("title", *COSTS, *CONDITIONS, "versions", "git_revision")
    entry = {name: manifest.get(name) for name in told} | {"train_rows": rows, "data": data}
    entry["passes"] = passes_of(manifest)
    more = {"curve": dev_curve(manifest)}
    more |= {name: manifest.get(name) for name in _OF_SOME}
    return entry | {name: value for name, value in more.items() if value}


def stage_entries_before(manifests: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """By key, the entries of finished stages, and of those that they needed themselves."""
    before = {key: one for found in manifests.values() for key, one in found["before"].items()}
    return before | {key: stage_entry(manifest) for key, manifest in manifests.items()}


def _train_rows(stages: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """By task, the rows that all stages have trained on together."""
    rows: Counter[str] = Counter()
    for stage in stages:
        rows.update(stage["train_rows"])
    return dict(rows)


def with_first(record: ResultRecord, folder: Path) -> ResultRecord:
    """The record, with when it was first asked for, or that of the folder if nothing is new.

    That is where all was reused: the one that is there says what its first job trained, and when.

    Raises:
        OSError: if the folder can't be written.
    """
    record = replace(record, asked=asking.first_asked(folder))
    known = find_record(folder / RECORD_FILE)
    if record.instances_reused < record.instances or known is None:
        return record
    same = all(
        getattr(known, name) == getattr(record, name)
        for name in ("status", "strategy", "target_task", "stage_keys")
    )
    # Of the same stages: the folder may be one that the user has named.
    same = same and known.config.get("selection") == record.config["selection"]
    if not same:
        return record
    if known.test == record.test:
        return known
    # Other test rows are scored without training anything.
    names = ("test", "digests", "config", "tasks")
    return replace(known, **{name: getattr(record, name) for name in names})


def write_failure(config: Config | DictConfig, reason: str, folder: Path) -> None:
    """Leave a failed record in a job's folder, unless there is a finished one.

    Never hides the failure itself by one of its own.

    Args:
        config: composed and maybe not checked, since that may be what failed.
    """
    cfg = config if isinstance(config, DictConfig) else OmegaConf.create(asdict(config))

    def asked(key: str) -> Any:
        try:
            return OmegaConf.select(cfg, key, throw_on_missing=False)
        except OmegaConfBaseException:  # an interpolation that leads nowhere
            return None

    def word(key: str) -> str:
        found = asked(key)
        return "?" if found is None else str(found)

    one = asked("strategy.supports") == "one"
    seed = asked("seed")
    record = ResultRecord(
        study=word("study"),
        strategy=word("strategy.name"),
        target_task=word("target_task.name"),
        support_tasks=[word("support_task.name")] if one else [],
        encoder=encoder_word(word("encoder.name")),
        seed=seed if isinstance(seed, int) else 0,
        status="failed",
        error=reason,
    )
    file = folder / RECORD_FILE
    try:
        record.asked = asking.first_asked(folder)
        known = find_record(file)
        if known is None or known.status == "failed":
            alone = asked("only_stage")
            record.write(folder, FAILED_STAGE_FILE if alone else RECORD_FILE)
    except (UserError, OSError) as second:
        log.error("The failure could not be recorded: %s", second)


def encoder_word(encoder: str) -> str:
    """The encoder in a word: the last part of its name that is one."""
    parts = encoder.removeprefix("package:").rstrip("/").split("/")
    return parts[0] if parts[-1] == "model" else parts[-1]
