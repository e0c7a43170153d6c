"""Makes result records from finished stages; a job does it, and a sweep for what needs no job."""

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from tlbench import results
from tlbench.config import Config
from tlbench.experiment import Experiment
from tlbench.results import ResultRecord
from tlbench.stage import Stage
from tlbench.store import Store


def done(
    experiment: Experiment, plan: list[Stage], store: Store, trained: Collection[str] = ()
) -> ResultRecord:
    """The record of an experiment whose last stage is in the store.

    Args:
        trained: the keys of the stages that were trained just now, for it; others are reused.
    """
    final = plan[-1]
    found = store.find(final.key)
    assert found is not None, "the plan's last stage was just ensured"
    mine, before = found["tasks"][experiment.target.name], found["before"]
    c = experiment.config
    rows = {draw.name: draw.count for stage in plan for draw in stage.draws}
    reused_own = final.key not in trained
    reused_before = final.start is not None and final.start.key not in trained
    reused = {
        name: reused_own * found[name] + reused_before * before[name]
        for name in ("steps", "instances")
    }
    return ResultRecord(
        study=c.study,
        strategy=c.strategy.name,
        target_task=experiment.target.name,
        support_tasks=[draw.name for draw in experiment.supports],
        encoder=short(c.encoder.name),
        seed=c.seed,
        score=mine["score"],
        majority_score=mine["majority_score"],
        metrics=mine["metrics"],
        train_rows=rows | {name: task["train_rows"] for name, task in found["tasks"].items()},
        dev_rows=experiment.target.dev_count["dev"],
        steps=found["steps"] + before["steps"],
        instances=found["instances"] + before["instances"],
        steps_reused=reused["steps"],
        instances_reused=reused["instances"],
        training_seconds=round(found["seconds"] + before["seconds"], 2),
        device=found["device"],
        stage_keys=[stage.key for stage in plan],
        git_revision=results.git_revision(),
        versions=found["versions"],
        config=asdict(c),
    )


def write_failure(config: Config | DictConfig, reason: str, folder: Path) -> None:
    """Write a failed record into a job's folder; what was finished there stays.

    Args:
        config: composed and maybe not checked, since that may be what failed.
    """
    file = folder / results.FILE
    if file.exists() and results.read(file).status == "done":
        return
    support = config.support_task["name"] if config.strategy.supports == "one" else None
    record = ResultRecord(
        study=config.study,
        strategy=config.strategy.name,
        target_task=config.target_task.name,
        support_tasks=[support] if support else [],
        encoder=short(config.encoder.name),
        seed=config.seed,
        status="failed",
        error=reason,
    )
    record.write(folder, results.FAILED_STAGE if config.only_stage else results.FILE)


def short(encoder: str) -> str:
    """The encoder in a word: the last part of its name that is one."""
    parts = encoder.removeprefix("package:").rstrip("/").split("/")
    return parts[0] if parts[-1] == "model" else parts[-1]
