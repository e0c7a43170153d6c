"""Sees that an experiment's test rows are scored, once, after all training."""

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

from tlbench import progress
from tlbench.plan.final_scores import is_scored, tested
from tlbench.plan.stage import Stage, TaskSubset
from tlbench.records.record import jsonable
from tlbench.store.disk import writing
from tlbench.store.final_scores import commit_scores
from tlbench.store.store import Store
from tlbench.tasks.base import with_threshold
from tlbench.training.context import StageContext

log = logging.getLogger(__name__)
_SCORE = "tlbench.training.final_scores.score_test"


def ensure_scored(store: Store, last: Stage) -> None:
    """Score the target's test rows, unless there are none or the store has their scores.

    Args:
        last: the experiment's last stage, finished and with the target's weights.
    """
    target = tested(last)
    if target is None:
        return
    if is_scored(last):
        log.info("  test rows of %s were scored before", target.name)
        return
    with writing("store_dir", store.root), store.claim(last.key) as claim:
        if is_scored(last):  # another process did it in the meantime
            return
        with _work_folder(store, last.key) as work:
            context = StageContext(last, "test", work, claim=claim)
            log.info("  %s: scoring %d test rows", context.title, target.test_rows)
            progress.note(phase=f"scoring test rows of {target.name}", step=None, steps=None)
            # By its name and not imported above, as a job that has nothing to score needs no torch.
            weights = store.weights(last.key, target.name)
            scored = resolve_name(_SCORE)(context, _as_scored(store, last, target), weights)
            claim.check()
            commit_scores(store.folder(last.key), work, jsonable(scored))


def _as_scored(store: Store, last: Stage, target: TaskSubset) -> TaskSubset:
    """Return the target with the threshold that its weights were chosen with, if one was chosen."""
    manifest = store.find(last.key, [target.name])
    assert manifest is not None, "it is finished"
    threshold = manifest["tasks"][target.name].get("threshold")
    return replace(target, task=with_threshold(target.task, threshold))


@contextmanager
def _work_folder(store: Store, key: str) -> Iterator[Path]:
    """Yield a new folder in which to write; what is not renamed from there is removed."""
    folder = store.work / f"{key}-test-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
