"""Makes sure that a stage is finished: finds it in the store, or trains it and what it needs."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tlbench import progress
from tlbench.config.dotted import imported
from tlbench.errors import UserError
from tlbench.jobs.curves import role_of
from tlbench.jobs.loggers import JobLogs
from tlbench.plan import weights
from tlbench.plan.stage import Need, Stage
from tlbench.records import asking
from tlbench.records.build import COSTS, stage_entries_before
from tlbench.records.provenance import git_revision, package_versions
from tlbench.records.record import CONDITIONS, jsonable
from tlbench.store.claims import Claim
from tlbench.store.disk import writing
from tlbench.store.manifest import is_cross_fitted
from tlbench.store.store import Store
from tlbench.training.context import Needed, StageContext

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
    opened: JobLogs
    plan: Sequence[Stage]
    last: Stage
    trained: set[str] = field(default_factory=set)

    def run(self) -> dict[str, Any]:
        """Finish the last stage and all weights that ``keep_weights`` and test rows ask for.

        Returns:
            The last stage's ``stage.json``.
        """
        *before, last = self.last.graph()
        asked = weights.wanted([*before, last])
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
        wanted = (stage.key, weights_of, stage.wants_cross_fit)
        manifest = self.store.find_sound(*wanted)
        if manifest:
            log.info("  %s is in the store (%s)", stage.title, stage.key)
            return self._told(stage, manifest)
        needed = tuple(self._needed(need) for need in stage.needs)
        with writing("store_dir", self.store.root), self.store.claim(stage.key) as claim:
            manifest = self.store.find_sound(*wanted)
            if manifest is None:  # nobody trained it in the meantime
                self.store.set_aside_damaged(stage.key, claim)
                manifest = self._make(stage, claim, needed, weights_of)
                self.trained.add(stage.key)
        return self._told(stage, manifest)

    def _told(self, stage: Stage, manifest: dict[str, Any]) -> dict[str, Any]:
        """Tell the loggers of a finished stage; return its manifest."""
        role, folder = role_of(stage, self.plan), self.store.folder(stage.key)
        self.opened.stage_ends(stage, role, folder, manifest, stage.key in self.trained)
        return manifest

    def _needed(self, need: Need) -> Needed:
        manifest = self.ensure(need.stage, need.tasks)
        if need.weights_of is None:
            return Needed(need, manifest)
        return Needed(need, manifest, self.store.weights(need.stage.key, need.weights_of))

    def _make(
        self, stage: Stage, claim: Claim, needed: tuple[Needed, ...], weights_of: Collection[str]
    ) -> dict[str, Any]:
        """Make a stage in a work folder, and commit it.

        Args:
            needed: what the stage needs, finished.
            weights_of: the tasks whose best weights are wanted now; ``keep_weights`` may add some.
        """
        earlier = self.store.find(stage.key)  # finished, and without all that is wanted now
        kept = {*weights_of, *weights.kept(self.plan, self.last)[stage.key]}
        if earlier:
            kept.update(earlier["weights"])
        with self.store.work_folder(stage.key, claim) as work:
            diverged = [one for one in needed if one.manifest.get("diverged")]
            if diverged:
                made = _not_trained(stage, diverged[0])
            else:
                context = StageContext(
                    stage, role_of(stage, self.plan), work, needed, frozenset(kept), claim
                )
                made = _completed(stage, self._run(context), weights_of)
            manifest = {**made, **_provenance(stage, needed)}
            if earlier:
                _compare(stage, earlier, manifest)
            return self.store.commit(stage.key, work, jsonable(manifest), claim)

    def _run(self, context: StageContext) -> Any:
        stage = context.stage
        progress.note(phase="loading", step=None, steps=None, score=None)
        making = "training" if stage.trains else "making"
        log.info("  %s: %s as %s (%s)", context.title, making, context.role, stage.key)
        self.opened.stage_begins(stage, context.role)
        # By its name and not imported above: with everything in the store a job needs no torch.
        make = imported(stage.run, "strategy.plan")
        return make(context, self.opened.lightning())


def _compare(stage: Stage, earlier: dict[str, Any], manifest: dict[str, Any]) -> None:
    """Say if a stage that was trained again has another score than before."""
    lacked = "weights"
    if stage.wants_cross_fit and not is_cross_fitted(earlier):
        lacked = "cross-fitted scores"
    for task, entry in manifest["tasks"].items():
        then, now = earlier["tasks"][task]["score"], entry["score"]
        if then != jsonable(now):
            log.warning(
                "  %s was trained again for its %s: %s of %s then, %s now (versions, devices and "
                "threads can change it); records of other jobs keep the score of then.",
                stage.title,
                lacked,
                then,
                task,
                now,
            )


def _provenance(stage: Stage, needed: Sequence[Needed]) -> dict[str, Any]:
    """Return what ``stage.json`` holds beside what made the stage has found."""
    return {
        "before": stage_entries_before({one.need.stage.key: one.manifest for one in needed}),
        "fingerprint": stage.fingerprint(),
        "encoder": stage.config.encoder.name,
        "seed": stage.config.seed,
        "title": stage.title,
        "versions": package_versions(),
        "git_revision": git_revision(),
        "finished": asking.now(),
    }


def _not_trained(stage: Stage, diverged: Needed) -> dict[str, Any]:
    """Return what would be found of a stage that needs one that has diverged."""
    reason = f"it needs {diverged.need.stage.title}, which has diverged: "
    reason += str(diverged.manifest["diverged"])
    log.warning("  %s is not trained: %s", stage.title, reason)
    return {**_nothing_found(stage), "diverged": reason}


def _completed(stage: Stage, made: Any, weights_of: Collection[str]) -> dict[str, Any]:
    """Return what ``stage.run`` has returned, and of what it leaves out that nothing was found.

    Args:
        made: what it has returned.
        weights_of: the tasks whose best weights are wanted.

    Raises:
        UserError: if it lacks what is promised in ``Stage``.
    """
    entries = made.get("tasks", {}) if isinstance(made, dict) else {}
    lacking = [
        f"{name} of {task}"
        for task in stage.tasks
        for name in ("score", "metrics")
        if name not in entries.get(task, {})
    ]
    if not lacking and not made.get("diverged"):
        lacking = [f"weights of {task}" for task in {*weights_of} - {*made.get("weights", ())}]
    if lacking:
        raise UserError(
            f"Change strategy.plan, or run of its stage {stage.title}: {stage.run} returns no "
            f"{', '.join(sorted(lacking))}."
        )
    nothing = _nothing_found(stage)
    tasks = {task: {**entry, **entries[task]} for task, entry in nothing["tasks"].items()}
    return {**nothing, **made, "tasks": tasks}


def _nothing_found(stage: Stage) -> dict[str, Any]:
    """Return what ``stage.json`` says of a stage of which nothing is known."""
    tasks = {
        subset.name: {
            "score": None,
            "selected_by": None,
            "cross_fit": None,
            "metrics": dict.fromkeys(subset.task.metrics),
            "majority_score": None,
            "collapsed": None,
            "step": 0,
            "train_rows": subset.count if stage.trains else 0,
            "data": None,
        }
        for subset in stage.subsets
    }
    nothing = dict.fromkeys(COSTS, 0) | dict.fromkeys(CONDITIONS)
    return {
        "tasks": tasks,
        "diverged": None,
        "history": [],
        "shares": [],
        "weights": [],
        "selections": [],
        **nothing,
        "device": "",
    }
