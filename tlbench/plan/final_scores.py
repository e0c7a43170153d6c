"""Which experiments are scored on test rows, and whether they have been."""

from tlbench.plan.stage import Stage, TaskSubset
from tlbench.store import final_scores
from tlbench.store.manifest import Manifest
from tlbench.store.store import store_of


def tested(last: Stage) -> TaskSubset | None:
    """Return the target's rows if it has a test split, else None.

    Args:
        last: an experiment's last stage; of a stage that is trained alone nothing is tested.
    """
    if last.config.only_stage is not None:
        return None
    # Test rows are counted for the target alone: a support's are not read.
    return next((subset for subset in last.subsets if subset.test_digest), None)


def saved_scores(last: Stage) -> Manifest | None:
    """Return what the store has of the target's test scores; None if it has none."""
    subset = tested(last)
    if subset is None or subset.test_digest is None:
        return None
    folder = store_of(last.config).folder(last.key)
    return final_scores.find_scores(folder, subset.name, subset.test_digest)


def is_scored(last: Stage) -> bool:
    """Whether nothing is left to score: no test split, a scored one, or a diverged training."""
    if tested(last) is None or saved_scores(last) is not None:
        return True
    manifest = store_of(last.config).find(last.key)
    return manifest is not None and bool(manifest.get("diverged"))
