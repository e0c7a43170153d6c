"""Sees that an experiment's test rows are scored, once, after all training."""

import logging
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name

from tlbench import progress
from tlbench.plan.final_scores import is_scored, tested
from tlbench.plan.stage import Stage
from tlbench.records.record import jsonable
from tlbench.store.disk import writing
from tlbench.store.final_scores import commit_scores
from tlbench.store.store import Store
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
            scored = resolve_name(_SCORE)(context, target, store.weights(last.key, target.name))
            claim.check()
            commit_scores(store.folder(last.key), work, jsonable(scored))


@contextmanager
def _work_folder(store: Store, key: str) -> Iterator[Path]:
    """Yield a new folder in which to write; what is not renamed from there is removed."""
    folder = store.work / f"{key}-test-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
