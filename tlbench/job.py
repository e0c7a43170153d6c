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
    store = Store(experiment.config.store_dir)
    wanted = _wanted(plan, experiment.config.only_stage)
    log.info("%s", experiment.title)
    job = _describe(experiment, cfg, folder)
    opened = loggers.open_log(experiment.config.logger, job)
    summary: dict[str, Any] = {}
    try:
        trained = _train_missing(wanted, store, opened, final=plan[-1])
        if experiment.config.only_stage:
            summary = {"stage": wanted.key}
            return None
        record = _record(experiment, plan, store, trained, job.config)
        record.seconds = round(time.time() - began, 2)
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


def _train_missing(wanted: Stage, store: Store, opened: loggers.JobLog, final: Stage) -> set[str]:
    """Train ``wanted``, and before it what it starts from, unless they are there."""
    trained: set[str] = set()

    def ensure(stage: Stage, weights_of: str | None) -> None:
        if store.find(stage.key, weights_of):
            log.info("  %s is in the store (%s)", stage.title, stage.key)
            return
        if stage.start:
            ensure(stage.start, stage.start.tasks[0])
        with store.claim(stage.key):
            if store.find(stage.key, weights_of) is None:  # nobody trained it in the meantime
                role = "target" if stage is final else "support"
                _train(stage, role, store, opened, weights_of)
                trained.add(stage.key)

    ensure(wanted, None)
    return trained


def _train(
    stage: Stage, role: str, store: Store, opened: loggers.JobLog, weights_of: str | None
) -> None:
    # Here and not above: with everything in the store a job does without torch.
    from tlbench.training import train_stage

    log.info("  %s: training %s (%s)", role, stage.title, stage.key)
    start = store.weights(stage.start.key, stage.start.tasks[0]) if stage.start else None
    before = store.find(stage.start.key) if stage.start else None
    with store.work_folder(stage.key) as work:
        found = train_stage(stage, role, work, start, opened.lightning(), bool(weights_of))
        costs = ("steps", "instances", "seconds")
        found["before"] = {name: before[name] if before else 0 for name in costs}
        found["ingredients"] = stage.ingredients()
        found["title"] = stage.title
        found["versions"] = results.package_versions()
        store.commit(stage.key, work, results.jsonable(found))


def _describe(experiment: Experiment, cfg: DictConfig, folder: Path) -> loggers.Job:
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    config["git_revision"] = results.git_revision()
    c = experiment.config
    supports = [draw.name for draw in experiment.supports]
    tags = (c.strategy.name, experiment.target.name, *supports, _encoder_name(experiment))
    return loggers.Job(
        experiment.title, c.study, c.strategy.name, tuple(dict.fromkeys(tags)), config, folder
    )


def _encoder_name(experiment: Experiment) -> str:
    """The encoder in a word: the last part of its name that is one."""
    parts = experiment.config.encoder.name.removeprefix("package:").rstrip("/").split("/")
    return parts[0] if parts[-1] == "model" else parts[-1]


def _base_record(experiment: Experiment) -> ResultRecord:
    c = experiment.config
    return ResultRecord(
        study=c.study,
        strategy=c.strategy.name,
        target_task=experiment.target.name,
        support_tasks=[draw.name for draw in experiment.supports],
        encoder=_encoder_name(experiment),
        seed=c.seed,
    )


def _record(
    experiment: Experiment, plan: list[Stage], store: Store, trained: set[str], config: Any
) -> ResultRecord:
    final = plan[-1]
    found = store.find(final.key)
    assert found is not None, "the plan's last stage was just ensured"
    mine, before = found["tasks"][experiment.target.name], found["before"]
    record = _base_record(experiment)
    record.score, record.majority_score = mine["score"], mine["majority_score"]
    record.metrics = mine["metrics"]
    rows = {draw.name: draw.count for stage in plan for draw in stage.draws}
    record.train_rows = rows | {name: t["train_rows"] for name, t in found["tasks"].items()}
    record.dev_rows = experiment.target.dev_count["dev"]
    record.steps = found["steps"] + before["steps"]
    record.instances = found["instances"] + before["instances"]
    record.training_seconds = round(found["seconds"] + before["seconds"], 2)
    reused_own = final.key not in trained
    reused_before = final.start is not None and final.start.key not in trained
    for name in ("steps", "instances"):
        reused = reused_own * found[name] + reused_before * before[name]
        setattr(record, f"{name}_reused", reused)
    record.device = found["device"]
    record.stage_keys = [stage.key for stage in plan]
    record.git_revision = config.pop("git_revision")
    record.versions = found["versions"]
    record.config = config
    return record


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
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    if not isinstance(error, UserError):
        log.error("%s failed", cfg.strategy.name, exc_info=error)
    if (folder / results.FILE).exists() and results.read(folder / results.FILE).status == "done":
        return  # what was finished stays
    support = cfg.support_task.name if cfg.strategy.supports == "one" else None
    ResultRecord(
        study=cfg.study,
        strategy=cfg.strategy.name,
        target_task=cfg.target_task.name,
        support_tasks=[support] if support else [],
        encoder=cfg.encoder.name,
        seed=cfg.seed,
        status="failed",
        error=said,
    ).write(folder)
