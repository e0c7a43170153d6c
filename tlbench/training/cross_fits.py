"""The cross-fitted selection of every task of a stage, and its part of a checkpoint."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from tlbench.plan.stage import Stage
from tlbench.tasks import scores
from tlbench.training.module import Evaluation
from tlbench.training.selection import CrossFit

# By task name, empty before the first evaluation. None where there is none: rows that are held out
# choose, or the training was begun by a version that kept none.
CrossFits = dict[str, CrossFit] | None


def begin(stage: Stage) -> CrossFits:
    """Return a stage's selections before any evaluation."""
    return None if stage.config.selection == "held_out" else {}


def after(
    fits: CrossFits, step: int, stage: Stage, by_task: Mapping[str, Mapping[str, Evaluation]]
) -> CrossFits:
    """Return the selections with one more evaluation.

    Args:
        fits: those before it.
        step: after which step it was made.
        stage: that is trained.
        by_task: by task name and split, what it found.
    """
    if fits is None:
        return None
    updated = {}
    for subset in stage.subsets:
        dev = by_task[subset.name]["dev"]
        before = fits.get(subset.name) or CrossFit.over(dev.ids, subset.name, stage.config.seed)
        evaluate = partial(scores.evaluate, subset.task)
        updated[subset.name] = before.after(step, dev.logits, dev.labels, evaluate, dev.groups)
    return updated


def state_of(fits: CrossFits) -> dict[str, Any] | None:
    """Return the selections as a checkpoint holds them."""
    return None if fits is None else {name: asdict(fit) for name, fit in fits.items()}


def are_lost(state: Mapping[str, Any]) -> bool:
    """Return whether evaluations were made by a version that kept no cross-fitted selection.

    Args:
        state: of ``BestPerTask`` in a checkpoint of a stage that has one.
    """
    return state.get("cross_fits") is None and bool(state["history"])


def from_state(stage: Stage, state: Mapping[str, Any]) -> CrossFits:
    """Return a stage's selections from the state of ``BestPerTask`` in a checkpoint."""
    if begin(stage) is None or are_lost(state):
        return None
    fits = state.get("cross_fits") or {}
    return {name: CrossFit.from_state(fit) for name, fit in fits.items()}
