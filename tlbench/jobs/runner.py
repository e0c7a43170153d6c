"""Makes sure that a stage is finished: finds it in the store, or trains it and what it needs."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tlbench.jobs.loggers import JobLog
from tlbench.plan import weights
from tlbench.plan.stage import Stage
from tlbench.records.build import COSTS, stage_entries_before
from tlbench.records.provenance import git_revision, package_versions
from tlbench.records.record import CONDITIONS, jsonable
from tlbench.store.claims import Claim
from tlbench.store.disk import writing
from tlbench.store.store import Store
from tlbench.training.context import StageContext

log = logging.getLogger(__name__)


@dataclass
class StageRunner:
    """The stages of one job.

    Attributes:
        plan: the experiment's stages.
        last: the one of them to end with.
        trained: the keys of the stages that were not in the store.
    """

    store: Store
    opened: JobLog
    plan: Sequence[Stage]
    last: Stage
    trained: set[str] = field(default_factory=set)

    def run(self) -> dict[str, Any]:
        """Finish the last stage and all weights that ``keep_weights`` asks for.

        Returns:
            The last stage's ``stage.json``.
        """
        *before, last = self.last.graph()
        asked = weights.asked_for([*before, last])
        for stage in before:
            if stage.key in asked:
                self.ensure(stage, asked[stage.key])
        return self.ensure(last, asked.get(last.key, ()))

    def ensure(self, stage: Stage, weights_of: Collection[str] = ()) -> dict[str, Any]:
        """Return the ``stage.json`` of a stage, trained if it is not in the store.

        A stage that needs one that has diverged is not trained: it counts as diverged too.

        Args:
            weights_of: the tasks whose best weights the stage must have kept.
        """
        manifest = self.store.find_sound(stage.key, weights_of)
        if manifest:
            log.info("  %s is in the store (%s)", stage.title, stage.key)
            return manifest
        before = {need.stage.key: self.ensure(need.stage, need.tasks) for need in stage.needs}
        with writing("store_dir", self.store.root), self.store.claim(stage.key) as claim:
            manifest = self.store.find_sound(stage.key, weights_of)
            if manifest is None:  # nobody trained it in the meantime
                self.store.set_aside_damaged(stage.key, claim)
                manifest = self._train(stage, claim, before, weights_of)
                self.trained.add(stage.key)
        return manifest

    def _train(
        self,
        stage: Stage,
        claim: Claim,
        before: dict[str, dict[str, Any]],
        weights_of: Collection[str],
    ) -> dict[str, Any]:
        earlier = self.store.find(stage.key)  # finished, and without weights that are wanted now
        kept = {*weights_of, *weights.kept(self.plan, self.last)[stage.key]}
        if earlier:
            kept.update(earlier["weights"])
        with self.store.work_folder(stage.key, claim) as work:
            lost = [n.stage for n in stage.needs if before[n.stage.key].get("diverged")]
            if lost:
                manifest = _not_trained(stage, lost[0], before[lost[0].key]["diverged"])
            else:
                manifest = self._train_in(work, stage, claim, before, frozenset(kept))
            manifest["before"] = stage_entries_before(before)
            manifest["ingredients"] = stage.ingredients()
            manifest["encoder"] = stage.config.encoder.name
            manifest["title"] = stage.title
            manifest["versions"] = package_versions()
            manifest["git_revision"] = git_revision()
            if earlier:
                _compare(stage, earlier, manifest)
            return self.store.commit(stage.key, work, jsonable(manifest), claim)

    def _train_in(
        self,
        work: Path,
        stage: Stage,
        claim: Claim,
        before: dict[str, dict[str, Any]],
        weights_of: frozenset[str],
    ) -> dict[str, Any]:
        # Here and not above: with everything in the store a job does without torch.
        from tlbench.training.train import train_stage

        role, start = self._role(stage), None
        if stage.start and stage.start.weights_of:
            start = self.store.weights(stage.start.stage.key, stage.start.weights_of)
        alone = {s.tasks[0]: before[s.key]["tasks"][s.tasks[0]] for s in stage.scores}
        scores = {task: _number(entry["selected_by"]) for task, entry in alone.items()}
        run = StageContext(stage, role, work, start, scores, weights_of, claim)
        log.info("  %s: training as %s (%s)", run.title, role, stage.key)
        return train_stage(run, self.opened.lightning())

    def _role(self, stage: Stage) -> str:
        """``target`` for the plan's last stage, ``support`` (or ``support1``, ``support2``, ... in
        the order of training) for those that it starts from, else ``single/<tasks>``.
        """
        final = self.plan[-1]
        if stage.key == final.key:
            return "target"
        chain = [start.key for start in final.starts()]
        if stage.key in chain:
            return "support" if len(chain) == 1 else f"support{chain.index(stage.key) + 1}"
        return f"single/{'+'.join(stage.tasks)}"


def _compare(stage: Stage, earlier: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Say if a stage that was trained again, for its weights, has another score than before."""
    for task, entry in manifest["tasks"].items():
        then, now = earlier["tasks"][task]["score"], entry["score"]
        if then != jsonable(now):
            log.warning(
                "  %s was trained again for its weights: %s of %s then, %s now (versions, devices "
                "and threads can change it); records of other jobs keep the score of then.",
                stage.title,
                then,
                task,
                now,
            )


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
    nothing = dict.fromkeys(COSTS, 0) | dict.fromkeys(CONDITIONS)
    return {
        "tasks": tasks,
        "diverged": diverged,
        "history": [],
        "shares": [],
        "weights": [],
        **nothing,
        "device": "",
    }


def _number(score: float | None) -> float:
    """A score from a file, where None stands for one that is not defined."""
    return float("nan") if score is None else score
