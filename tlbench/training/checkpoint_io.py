"""The file ``last.ckpt``: written in its final place, and read only if it is sound."""

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from tlbench.store.integrity import file_damage, set_aside
from tlbench.store.work import CHECKPOINT
from tlbench.training import cross_fits
from tlbench.training.best import BestPerTask
from tlbench.training.best_weights import weights_folder
from tlbench.training.context import StageContext

log = logging.getLogger(__name__)


class WriteInPlace(TorchCheckpointIO):
    """Writes a checkpoint directly to its path.

    Lightning's own first writes to ``/tmp``, where a process that is killed leaves a part of it.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        # In memory first: of a full disk torch's own writer raises an error without an errno.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        Path(path).write_bytes(content.getbuffer())


def usable(context: StageContext) -> Path | None:
    """Return the checkpoint that a stage can be resumed from; log why if there is none such.

    A damaged one is set aside. One without weights or cross-fitted scores that are wanted now is
    removed: they may be those of an evaluation before it.
    """
    file = context.folder / CHECKPOINT
    if not file.exists():
        return None
    try:
        state = read(file)
    except ValueError as damage:
        set_aside(file, context.folder.parent.parent, str(damage))
        return None
    if missing := _tasks_without_weights(state, context.weights_of):
        log.warning(
            "  %s was started without keeping weights of %s, so it starts again",
            context.title,
            ", ".join(missing),
        )
        file.unlink()
        return None
    if not _can_be_cross_fitted(state, context):
        file.unlink()
        return None
    log.info("  going on from step %d (%s)", state["global_step"], file)
    return file


def _can_be_cross_fitted(state: dict[str, Any], context: StageContext) -> bool:
    """Return whether a checkpoint can give the cross-fitted scores that are wanted; log if not.

    Where they are not wanted, the stage goes on and will have none.
    """
    has_any = context.stage.config.selection != "held_out"
    if not (has_any and cross_fits.are_lost(state["callbacks"][BestPerTask.__name__])):
        return True
    is_wanted = context.stage.wants_cross_fit
    log.warning(
        "  %s was begun by a version that kept no cross-fitted scores, so it %s",
        context.title,
        "starts again" if is_wanted else "goes on and will have none",
    )
    return not is_wanted


def _tasks_without_weights(state: dict[str, Any], wanted: frozenset[str]) -> list[str]:
    """Return the wanted tasks that were evaluated by this checkpoint, and their weights not kept.

    A task that was not yet evaluated has no best weights to miss.
    """
    best = _best_by_task(state)
    return [task for task in sorted(wanted) if best[task]["splits"] and not best[task]["sums"]]


def read(file: Path) -> dict[str, Any]:
    """Return a checkpoint, once it and the weights that it refers to are known to be sound.

    Raises:
        ValueError: if anything is damaged.
    """
    try:
        return _read(file)
    except Exception as error:  # damage makes zipfile, torch and its unpickler raise all kinds
        raise ValueError(str(error) or type(error).__name__) from error


def _read(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as archive:  # torch writes checksums and does not verify them
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} in it has changed")
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    for task, best in _best_by_task(state).items():
        weights = weights_folder(file.parent, task, best["step"])
        if problems := file_damage(weights, best.get("sums", {})):
            raise ValueError(f"in {weights} {problems[0]}")
    return state


def _best_by_task(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    by_task: dict[str, dict[str, Any]] = state["callbacks"][BestPerTask.__name__]["best"]
    return by_task
