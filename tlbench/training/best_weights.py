"""The weights of a task's best evaluation, in the work folder and as the store has them."""

import shutil
from pathlib import Path
from typing import Any

from tlbench.models.adapters import merged_state
from tlbench.models.multitask import MultiTaskModel
from tlbench.store.integrity import checksum


def weights_folder(work: Path, task: str, step: int) -> Path:
    """Return where in a work folder the weights that were best for a task after ``step`` are.

    The step is in the name, for the last checkpoint may still refer to earlier ones.
    """
    return work / "best" / f"{task}-{step}"


def save_weights(
    model: MultiTaskModel, tokenizer: Any, task_name: str, folder: Path
) -> dict[str, str]:
    """Save encoder, tokenizer and a task's head; return the checksums of the files, by name.

    Encoder and tokenizer are as ``save_pretrained`` writes them, an adapter merged into the
    encoder; the head is ``heads.safetensors``.

    Args:
        model: which has a head for the task.
        tokenizer: of the encoder.
        task_name: whose head is saved.
        folder: that is written; what an interrupted evaluation has left there is removed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    model.encoder.save_pretrained(folder, state_dict=merged_state(model.encoder))
    # A tokenizer keeps the truncation of its last call, so its file would depend on whether rows
    # were tokenised in this run or an earlier one.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.save_pretrained(folder)
    # The head under a name of its own, so that a stage with other heads can start from it.
    (task,) = (task for task in model.tasks if task.name == task_name)
    model.save_head(task, folder / "heads.safetensors")
    return {file.name: checksum(file) for file in sorted(folder.iterdir())}


def move_to_store_layout(work: Path, best: dict[str, Path]) -> None:
    """Move tasks' best weights to ``weights/<task>``, and remove all that were not the best.

    Args:
        work: the work folder.
        best: by task, the folder of its best weights.
    """
    if best:
        (work / "weights").mkdir(exist_ok=True)
    for task, folder in best.items():
        target = work / "weights" / task
        # Left by a process that was killed between this move and its commit.
        shutil.rmtree(target, ignore_errors=True)
        folder.rename(target)
    shutil.rmtree(work / "best", ignore_errors=True)


def remove_others(work: Path, kept: set[Path]) -> None:
    """Remove the weights of all evaluations but those in these folders."""
    for folder in (work / "best").glob("*"):
        if folder not in kept:
            shutil.rmtree(folder)
