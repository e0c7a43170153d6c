"""A job's run in Weights & Biases; see docs/guide/wandb.md."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlbench.config.identity import slug
from tlbench.config.schema import Task
from tlbench.errors import UserError
from tlbench.jobs import wandb_stages
from tlbench.jobs.curves import STEP, best_of_curves
from tlbench.jobs.job_log import RunInfo
from tlbench.jobs.private import PRIVATE_WANDB, without_places
from tlbench.jobs.wandb_run_id import resume, run_id
from tlbench.jobs.wandb_settings import (
    checked_entity,
    checked_folder,
    checked_mode,
    checked_project,
    checked_word,
    fitted,
    fitted_tags,
    read_here,
    usual,
)
from tlbench.plan.stage import Stage
from tlbench.store.manifest import Manifest

if TYPE_CHECKING:
    import wandb
    from pytorch_lightning.loggers import Logger

log = logging.getLogger(__name__)


class WandbLog:
    """One Weights & Biases run per job; offline where there is no login, never a prompt.

    With a login a job that was cut off or has failed goes on in its run: the run's id is in the
    job's folder until the job has finished. Run anew after that it gets a run of its own, since
    a resumed one would draw its curves over those of the finished one.

    What is None is what W&B's variable for it says, and without one what stands here.

    Args:
        info: of the job.
        project, entity: where the run goes; without any, to ``tlbench`` of the login's own.
        group, name, job_type: of the run; the study, the job's title and its kind without them. In
            a sweep the title stands behind a name, as all jobs have that.
        notes: of the run.
        tags: more of them, a list or a text with commas between.
        save_dir: the folder for W&B's own, ``wandb``; ``multirun``.
        mode: W&B's word; ``online`` where there is a login, else ``offline``.
        predictions: whether to log a table of the target's dev predictions and a confusion matrix;
            ``texts``: the rows' texts are in the table.
        artifacts: whether to log the stages that are trained as artifacts, and to say which of
            them a job uses.
        machine_info: whether the run may say on whose machine it was, and where on it: host, paths,
            command line, git remote, packages, console.

    Raises:
        UserError: for what W&B would refuse, and where it does not open the run.
    """

    def __init__(
        self,
        info: RunInfo,
        project: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        name: str | None = None,
        job_type: str | None = None,
        notes: str | None = None,
        tags: str | Sequence[str] | None = None,
        save_dir: str | None = None,
        mode: str | None = None,
        predictions: bool | str = False,
        artifacts: bool = False,
        machine_info: bool = False,
    ) -> None:
        self._info, self._machine_info = info, _switch("machine_info", machine_info, info)
        self._artifacts = _switch("artifacts", artifacts, info)
        self._predictions = _switch("predictions", predictions, info, "texts")
        self._stages: set[str] = set()  # that were logged
        self._id_file = info.folder / f"{slug(info.logger)}_run_id"
        name = usual("name", name)
        named = f"{name} {info.title}" if name and info.in_sweep else name or info.title
        mode = checked_mode(mode, info.logger)
        self._online = mode in ("online", "shared")
        options = {
            "project": checked_project(project, info.logger),
            "entity": checked_entity(entity, info.logger),
            "dir": None if mode == "disabled" else checked_folder(save_dir, info.logger),
            "name": fitted(str(named), "name"),
            "group": fitted(str(usual("group", group) or info.study), "group"),
            "job_type": fitted(str(usual("job_type", job_type) or info.kind), "job_type"),
            "notes": None if (said := usual("notes", notes)) is None else str(said),
            "tags": fitted_tags(info.tags, usual("tags", tags)),
            "config": info.config if machine_info else without_places(info.config),
            "mode": mode,
            # Offline nothing can be resumed.
            "resume": resume() if self._online else None,
            "id": run_id(self._online, self._id_file, info),
        }
        self.run = _opened(options, self._settings(mode), info)
        self.run.define_metric(STEP, hidden=True, summary="none")

    @staticmethod
    def check(name: str, options: Mapping[str, Any]) -> None:
        """Refuse what W&B would refuse on any machine, before a sweep's first job.

        Raises:
            UserError: naming the key, or the variable, to change.
        """
        checked_project(options.get("project"), name)
        checked_entity(options.get("entity"), name)
        mode = usual("mode", options.get("mode"))
        if mode is not None:
            checked_word(mode, name)

    def _settings(self, mode: str) -> dict[str, Any]:
        # Its own summary of each run would drown a sweep's lines, which have the score.
        quiet = {"quiet": True}
        if "WANDB_SILENT" not in os.environ:
            quiet["silent"] = mode == "offline"
        return quiet if self._machine_info else quiet | PRIVATE_WANDB

    def lightning(self) -> "Logger":
        from pytorch_lightning.loggers import WandbLogger

        return WandbLogger(experiment=self.run, log_model=False)

    def stage_begins(self, stage: Stage, role: str) -> None:
        """Say over which steps a stage's curves are drawn, and what sums them up."""
        self.run.define_metric(f"{role}/*", step_metric=STEP)
        for name, best in best_of_curves(stage, role).items():
            self.run.define_metric(name, step_metric=STEP, summary=best)

    def stage_ends(
        self, stage: Stage, role: str, folder: Path, manifest: Manifest, trained: bool
    ) -> None:
        """Log what is asked for of a stage that the job has trained, or has found in the store."""
        if stage.key in self._stages:
            return
        self._stages.add(stage.key)
        if self._artifacts:
            self._log_artifact(stage, folder, manifest, trained)
        if self._predictions and role == "target" and not manifest["diverged"]:
            for subset in stage.subsets:
                if subset.name == self._info.target:
                    self._log_predictions(stage, subset.task, folder)

    def _log_predictions(self, stage: Stage, task: Task, folder: Path) -> None:
        with_texts = self._predictions == "texts"
        if shown := wandb_stages.predictions(stage, task, folder, with_texts):
            self.run.log(shown)

    def _log_artifact(self, stage: Stage, folder: Path, manifest: Manifest, trained: bool) -> None:
        made = wandb_stages.artifact(stage, folder, manifest, self._machine_info)
        if trained:
            self.run.log_artifact(made)
        elif self._online:
            # The draft: W&B finds the same content there, or uploads what was trained without W&B.
            self.run.use_artifact(made)
        else:
            log.info(
                "  W&B can't say offline that a run uses %s; stage_keys of its config does.",
                made.name,
            )

    def finish(self, summary: dict[str, Any], failed: bool) -> None:
        self.run.summary.update(summary)
        self.run.finish(exit_code=int(failed))
        if not failed:
            self._id_file.unlink(missing_ok=True)


def _switch(key: str, value: Any, info: RunInfo, *words: str) -> Any:
    """Return what switches something on or off.

    Raises:
        UserError: if it is anything else.
    """
    if isinstance(value, bool) or value in words:
        return value
    known = ", ".join(("true", "false", *words))
    raise UserError(f"Change logger.{info.logger}.{key}: '{value}' is none of {known}.")


def _opened(options: dict[str, Any], settings: dict[str, Any], info: RunInfo) -> "wandb.Run":
    import wandb

    try:
        with read_here():
            made = wandb.Settings(**settings)
            # create_new: a second W&B logger of a job has a run of its own.
            return wandb.init(**options, settings=made, reinit="create_new")
    except (wandb.Error, ValueError) as error:
        offline = " or set WANDB_MODE=offline" if options["mode"] != "offline" else ""
        raise UserError(
            f"Change logger.{info.logger}{offline}: W&B does not open the run ({error})."
        ) from error
