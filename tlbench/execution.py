"""Makes sure that a stage is finished: finds it in the store, or trains it and what it needs."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlbench import recording, results
from tlbench.loggers import JobLog
from tlbench.stage import Stage
from tlbench.store import Store
from tlbench.writing import writing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageRun:
    """What the training of a stage needs to know.

    Attributes:
        role: the first word of what is logged: ``target``, ``support`` or ``single/<task>``.
        folder: where to write weights, predictions and checkpoints.
        start: the folder of the weights to start from, for a stage with a start.
        alone: the tasks' scores alone, for ``sampling=dynamic``.
        weights_needed: keep the best weights whatever ``keep_weights`` says.
    """

    stage: Stage
    role: str
    folder: Path
    start: Path | None = None
    alone: dict[str, float] = field(default_factory=dict)
    weights_needed: bool = False

    @property
    def title(self) -> str:
        """What a person reads, in a log that several jobs write to: ``mnli+rte s0``."""
        return f"{self.stage.title} s{self.stage.config.seed}"

    @property
    def keeps_weights(self) -> bool:
        """Whether the best weights of its tasks go into the store."""
        keep = self.stage.config.keep_weights
        by_need = keep == "needed" and self.stage.may_start_another
        return self.weights_needed or keep == "all" or by_need


@dataclass
class Execution:
    """The stages of one job.

    Attributes:
        final: the stage that gives the target's score.
        trained: the keys of the stages that were not in the store.
    """

    store: Store
    opened: JobLog
    final: Stage
    trained: set[str] = field(default_factory=set)

    def ensure(self, stage: Stage, weights_of: str | None = None) -> dict[str, Any]:
        """The ``stage.json`` of a stage, trained if it is not in the store.

        A stage that needs one that has diverged is not trained: it counts as diverged too.

        Args:
            weights_of: the task whose best weights the stage must have kept.
        """
        found = self.store.find_sound(stage.key, weights_of)
        if found:
            log.info("  %s is in the store (%s)", stage.title, stage.key)
            return found
        before = {first.key: self.ensure(first, task) for first, task in stage.prerequisites}
        with writing("store_dir", self.store.root), self.store.claim(stage.key):
            found = self.store.find_sound(stage.key, weights_of)
            if found is None:  # nobody trained it in the meantime
                self.store.set_aside_damaged(stage.key)
                found = self._train(stage, before, bool(weights_of))
                self.trained.add(stage.key)
        return found

    def _train(
        self, stage: Stage, before: dict[str, dict[str, Any]], weights_needed: bool
    ) -> dict[str, Any]:
        with self.store.work_folder(stage.key) as work:
            lost = [first for first, _ in stage.prerequisites if before[first.key].get("diverged")]
            if lost:
                found = _not_trained(stage, lost[0], before[lost[0].key]["diverged"])
            else:
                found = self._train_in(work, stage, before, weights_needed)
            found["before"] = recording.costs_before(before)
            found["ingredients"] = stage.ingredients()
            found["title"] = stage.title
            found["versions"] = results.package_versions()
            found["git_revision"] = results.git_revision()
            return self.store.commit(stage.key, work, results.jsonable(found))

    def _train_in(
        self,
        work: Path,
        stage: Stage,
        before: dict[str, dict[str, Any]],
        weights_needed: bool,
    ) -> dict[str, Any]:
        # Here and not above: with everything in the store a job does without torch.
        from tlbench.training import train_stage

        role, start = self._role(stage), None
        if stage.start:
            start = self.store.weights(stage.start.key, stage.start.tasks[0])
        alone = {s.tasks[0]: before[s.key]["tasks"][s.tasks[0]] for s in stage.scores}
        scores = {task: _number(entry["selected_by"]) for task, entry in alone.items()}
        run = StageRun(stage, role, work, start, scores, weights_needed)
        log.info("  %s: training as %s (%s)", run.title, role, stage.key)
        return train_stage(run, self.opened.lightning())

    def _role(self, stage: Stage) -> str:
        if stage.key == self.final.key:
            return "target"
        starts = self.final.start is not None and stage.key == self.final.start.key
        return "support" if starts else f"single/{stage.tasks[0]}"


def _not_trained(stage: Stage, lost: Stage, why: str) -> dict[str, Any]:
    """What ``train_stage`` would return of a stage that needs one that has diverged."""
    diverged = f"it needs {lost.title}, which has diverged: {why}"
    log.warning("  %s is not trained: %s", stage.title, diverged)
    tasks = {
        draw.name: {
            "score": None,
            "selected_by": None,
            "metrics": dict.fromkeys(draw.task.metrics),
            "majority_score": None,
            "collapsed": None,
            "step": 0,
            "train_rows": draw.count,
        }
        for draw in stage.draws
    }
    costs = dict.fromkeys(recording.COSTS, 0)
    return {
        "tasks": tasks, "diverged": diverged, "history": [], "shares": [], **costs,
        "device": "", "weights": [],
    }  # fmt: skip


def _number(score: float | None) -> float:
    """A score from a file, where None stands for one that is not defined."""
    return float("nan") if score is None else score
