"""Cross-fitted selection in a plan: which stage is asked for it, and what makes it unclean.

Every stage that is trained has cross-fitted scores beside dev's. Under ``selection=cross_fit`` only
the last stage of a plan is asked for them: the others are made and found as under
``selection=dev``. A cross-fitted score is clean if all of the target's dev rows have decided
nothing else of the training: not its end, not its sampling, not the weights that it starts from.
"""

from collections.abc import Iterator
from dataclasses import replace

from tlbench.config.schema import Config
from tlbench.errors import UserError
from tlbench.plan.rows_stage import RowsStage
from tlbench.plan.stage import Need, Stage


def without_request(config: Config) -> Config:
    """Return the config of a stage that is trained and not asked for its cross-fitted scores."""
    return replace(config, selection="dev") if config.selection == "cross_fit" else config


def requested(final: Stage) -> Stage:
    """Return a plan's last stage, asked for its cross-fitted scores.

    Raises:
        UserError: if it has none.
    """
    if not final.has_cross_fit or final.config.selection == "held_out":
        raise UserError(
            f"Change selection: the last stage, {final.title}, chooses nothing by dev, so that it "
            "has no cross-fitted score; selection=dev scores it."
        )
    return replace(final, config=replace(final.config, selection="cross_fit"))


def dev_readers(final: Stage, target: str) -> list[str]:
    """Return what all of the target's dev rows have decided in a plan, but for the last choice.

    Args:
        final: the plan's last stage.
        target: the task that it is scored on.

    Returns:
        In words: ``weights of mnli+rte:rte``, ``trainer.early_stopping of rte<-mnli``. Empty where
        a cross-fitted score is clean.
    """
    readers = [f"{key} of {final.title}" for key in _deciding_keys(final)]
    for need in _carried(final):
        stage = need.stage
        if target in stage.tasks:
            readers += [f"{key} of {stage.title}" for key in _deciding_keys(stage)]
        if need.weights_of == target and _chooses_by_dev(stage):
            readers.append(f"weights of {need.title}")
    return list(dict.fromkeys(readers))


def _deciding_keys(stage: Stage) -> Iterator[str]:
    """Yield the keys by which all of a stage's dev rows decide how it is trained."""
    config = stage.config
    if not _chooses_by_dev(stage):
        return
    if config.trainer.early_stopping is not None:
        yield "trainer.early_stopping"
    if len(stage.subsets) > 1 and config.sampling.name == "dynamic":
        yield "sampling"


def _chooses_by_dev(stage: Stage) -> bool:
    """Return whether dev rows choose among a stage's weights: of one evaluation there is none."""
    config = stage.config
    evaluated_once = not stage.trains or config.eval_every >= config.trainer.max_epochs
    return config.selection != "held_out" and not evaluated_once


def _carried(stage: Stage) -> Iterator[Need]:
    """Yield the needs whose weights a stage goes on from, directly or through others.

    Those of what has written its rows are among them.
    """
    for need in stage.needs:
        if need.weights_of is not None:
            yield need
        if need.weights_of is not None or isinstance(need.stage, RowsStage):
            yield from _carried(need.stage)
