"""The file ``last.ckpt``: written where it belongs, and read only if it is sound."""

import io
import logging
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from tlbench.store.integrity import file_damage, set_aside
from tlbench.store.store import CHECKPOINT
from tlbench.training.best import BestPerTask, weights_folder
from tlbench.training.context import StageContext

log = logging.getLogger(__name__)


class WriteInPlace(TorchCheckpointIO):
    """Writes a checkpoint where it belongs: Lightning's own is first written to ``/tmp``, of which
    a process that is killed would leave a part there.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        content = io.BytesIO()  # torch has errors of its own for a disk that is full
        torch.save(checkpoint, content)
        Path(path).write_bytes(content.getbuffer())


def usable(run: StageContext) -> Path | None:
    """The checkpoint of a stage, if there is one that it can go on from; else it says why not.

    One that is damaged is set aside. One of a run that has not kept weights which are wanted now
    is of no use: they may be those of an evaluation before it.
    """
    file = run.folder / CHECKPOINT
    if not file.exists():
        return None
    try:
        state = read(file)
    except ValueError as damage:
        set_aside(file, run.folder.parent.parent, str(damage))
        return None
    best = state["callbacks"][BestPerTask.__name__]["best"]
    lacking = [task for task in sorted(run.weights_of) if best[task]["splits"]]
    lacking = [task for task in lacking if not best[task]["sums"]]
    if lacking:
        log.warning(
            "  %s was begun without keeping weights of %s, so it begins anew",
            run.title,
            ", ".join(lacking),
        )
        file.unlink()
        return None
    log.info("  going on from step %d (%s)", state["global_step"], file)
    return file


def read(file: Path) -> dict[str, Any]:
    """A checkpoint, once it and the weights that it refers to are known to be sound.

    Raises:
        ValueError: if anything is damaged.
    """
    try:
        return _read(file)
    except Exception as error:  # whatever damage makes zipfile, torch and its unpickler raise
        raise ValueError(str(error) or type(error).__name__) from error


def _read(file: Path) -> dict[str, Any]:
    with zipfile.ZipFile(file) as opened:  # torch compares no checksums
        if damaged := opened.testzip():
            raise ValueError(f"{damaged} in it has changed")
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    for task, best in state["callbacks"][BestPerTask.__name__]["best"].items():
        weights = weights_folder(file.parent, task, best["step"])
        if wrong := file_damage(weights, best.get("sums", {})):
            raise ValueError(f"in {weights} {wrong[0]}")
    return state
