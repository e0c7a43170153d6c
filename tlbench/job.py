"""One Hydra job: an experiment (or one stage of it) from its config to its record."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import datasets
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tlbench import loggers, progress, results
from tlbench.errors import UserError
from tlbench.experiment import Experiment, build
from tlbench.results import ResultRecord
from tlbench.stage import Stage
from tlbench.store import Store
from tlbench.summary import print_record

log = logging.getLogger(__name__)


def run_job(cfg: DictConfig) -> float | None:
    """Run the experiment of a composed config; its target's score.

    A failure is left in the job's folder too, as a record and in the job's log, because a
    launcher may keep neither.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    in_sweep = hydra.mode == RunMode.MULTIRUN
    try:
        return run_experiment(cfg, folder, in_sweep)
    except BaseException as error:
        _record_failure(cfg, folder, error)
        if isinstance(error, UserError) and not in_sweep:
            # Hydra would print the overrides before the sentence.
            print(error, file=sys.stderr)
            sys.exit(1)
        raise


def run_experiment(cfg: DictConfig, folder: Path, in_sweep: bool) -> float | None:
    """Plan, train what is missing in the store, and write the record into ``folder``.

    Returns:
        The target's score; None if ``only_stage`` asked for a stage alone, or if not defined.

    Raises:
        UserError: for what a user can get wrong, before any training.
    """
    began = time.time()
    if not progress.wanted(cfg.trainer.progress_bar):
        datasets.disable_progress_bars()
    experiment = build(cfg, in_sweep)
    plan = experiment.plan()
    wanted = _wanted(plan, experiment.config.only_stage)
    store = Store(experiment.config.store_dir)
    log.info("%s", experiment.title)
    job = _describe(experiment, cfg, folder)
    opened = loggers.open_log(experiment.config.logger, job)
    summary: dict[str, Any] = {}
    try:
        found, trained = _ensure(wanted, store, opened, final=plan[-1])
        if experiment.config.only_stage:
            summary = {"stage": wanted.key}
            return None
        record = make_record(experiment, plan, found, trained, job.config)
        record.seconds = round(time.time() - began, 2)
        record = _with_first_costs(record, folder)
        record.write(folder)
        summary = _summary(record)
    finally:
        opened.finish(summary, failed=not summary)
    print_record(record, folder, in_sweep)
    return record.score


def _wanted(plan: list[Stage], only: str | None) -> Stage:
    """The stage to end with: the plan's last, or the one that ``only_stage`` names."""
    if only is None:
        return plan[-1]
    for stage in plan:
        if stage.key == only:
            return stage
    keys = ", ".join(stage.key for stage in plan)
    raise UserError(f"Change only_stage: '{only}' is not in the plan, which has {keys}.")


def _ensure(
    wanted: Stage, store: Store, opened: loggers.JobLog, final: Stage
) -> tuple[dict[str, Any], set[str]]:
    """The ``stage.json`` of ``wanted``, and the keys of the stages trained to have it."""
    trained: set[str] = set()

    def ensure(stage: Stage, weights_of: str | None) -> dict[str, Any]:
        found = store.find(stage.key, weights_of)
        if found:
            log.info("  %s is in the store (%s)", stage.title, stage.key)
            return found
        before = ensure(stage.start, stage.start.tasks[0]) if stage.start else None
        with store.claim(stage.key):
            found = store.find(stage.key, weights_of)
            if found is None:  # nobody trained it in the meantime
                role = "target" if stage is final else "support"
                found = _train(stage, role, store, opened, before, bool(weights_of))
                trained.add(stage.key)
        return found

    return ensure(wanted, None), trained


def _train(
    stage: Stage,
    role: str,
    store: Store,
    opened: loggers.JobLog,
    before: dict[str, Any] | None,
    weights_needed: bool,
) -> dict[str, Any]:
    # Here and not above: with everything in the store a job does without torch.
    from tlbench.training import train_stage

    log.info("  %s: training %s (%s)", role, stage.title, stage.key)
    start = store.weights(stage.start.key, stage.start.tasks[0]) if stage.start else None
    with store.work_folder(stage.key) as work:
        found = train_stage(stage, role, work, start, opened.lightning(), weights_needed)
        found["before"] = {name: before[name] if before else 0 for name in _COSTS}
        found["before"]["train_rows"] = _train_rows(before) if before else {}
        found["ingredients"] = stage.ingredients()
        found["title"] = stage.title
        found["versions"] = results.package_versions()
        return store.commit(stage.key, work, results.jsonable(found))


_COSTS = ("steps", "instances", "seconds")


def _train_rows(found: dict[str, Any]) -> dict[str, int]:
    return {name: task["train_rows"] for name, task in found["tasks"].items()}


def _describe(experiment: Experiment, cfg: DictConfig, folder: Path) -> loggers.Job:
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    c = experiment.config
    supports = [draw.name for draw in experiment.supports]
    tags = (c.strategy.name, experiment.target.name, *supports, _short(c.encoder.name))
    return loggers.Job(
        experiment.title, c.study, c.strategy.name, tuple(dict.fromkeys(tags)), config, folder
    )


def _short(encoder: str) -> str:
    """An encoder's name in a word: its last part that says something."""
    parts = encoder.removeprefix("package:").rstrip("/").split("/")
    return parts[0] if parts[-1] == "model" else parts[-1]


def _base_record(experiment: Experiment) -> ResultRecord:
    c = experiment.config
    return ResultRecord(
        study=c.study,
        strategy=c.strategy.name,
        target_task=experiment.target.name,
        support_tasks=[draw.name for draw in experiment.supports],
        encoder=_short(c.encoder.name),
        seed=c.seed,
    )


def make_record(
    experiment: Experiment,
    plan: list[Stage],
    found: dict[str, Any],
    trained: set[str],
    config: dict[str, Any],
) -> ResultRecord:
    """The record of an experiment from its last stage's ``stage.json``.

    Args:
        trained: the keys of the stages that this job trained; the others are reused.
        config: the resolved config of the job.
    """
    final = plan[-1]
    mine, before = found["tasks"][experiment.target.name], found["before"]
    record = _base_record(experiment)
    record.score, record.majority_score = mine["score"], mine["majority_score"]
    record.metrics = mine["metrics"]
    record.train_rows = before["train_rows"] | _train_rows(found)
    record.dev_rows = experiment.target.dev_count["dev"]
    record.steps = found["steps"] + before["steps"]
    record.instances = found["instances"] + before["instances"]
    record.training_seconds = round(found["seconds"] + before["seconds"], 2)
    own = final.key in trained
    own_before = final.start is not None and final.start.key in trained
    record.steps_reused = record.steps - own * found["steps"] - own_before * before["steps"]
    record.instances_reused = (
        record.instances - own * found["instances"] - own_before * before["instances"]
    )
    record.device = found["device"]
    record.stage_keys = [stage.key for stage in plan]
    record.git_revision = results.git_revision()
    record.versions = found["versions"]
    record.config = config
    return record


def _with_first_costs(record: ResultRecord, folder: Path) -> ResultRecord:
    """The record, or where all was reused the one that says what its first job trained."""
    file = folder / results.FILE
    if record.instances_reused < record.instances or not file.exists():
        return record
    known = results.read(file)
    same = all(
        getattr(known, name) == getattr(record, name)
        for name in ("status", "strategy", "target_task", "stage_keys")
    )
    return known if same else record


def _summary(record: ResultRecord) -> dict[str, Any]:
    """What a W&B run's summary holds: the score, its metrics, and what they cost."""
    costs = ("steps", "instances", "steps_reused", "instances_reused", "training_seconds")
    metrics = {f"target/final/{name}": value for name, value in record.metrics.items()}
    return {
        "score": record.score,
        "majority_score": record.majority_score,
        **metrics,
        **{name: getattr(record, name) for name in costs},
    }


def _record_failure(cfg: DictConfig, folder: Path, error: BaseException) -> None:
    """Leave a failed record, unless there is a finished one; never hide the failure itself."""
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    if not isinstance(error, UserError):
        log.error("failed", exc_info=error)

    def asked(key: str, default: Any = "?") -> Any:
        return OmegaConf.select(cfg, key, throw_on_missing=False) or default

    one = asked("strategy.supports") == "one"
    failed = ResultRecord(
        study=asked("study"),
        strategy=asked("strategy.name"),
        target_task=asked("target_task.name"),
        support_tasks=[asked("support_task.name")] if one else [],
        encoder=_short(asked("encoder.name")),
        seed=asked("seed", 0),
        status="failed",
        error=said,
    )
    try:
        file = folder / results.FILE
        if not (file.exists() and results.read(file).status == "done"):
            failed.write(folder)
    except (UserError, OSError) as second:
        log.error("The failure could not be recorded: %s", second)
