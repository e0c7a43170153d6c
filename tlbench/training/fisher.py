"""Task embeddings: what of a trained encoder a task depends on (Vu et al. 2020, EMNLP).

The diagonal of the empirical Fisher information: the squared gradient of a row's loss at the best
weights, its mean over rows. Tasks that depend on the same weights have like embeddings.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tlbench.models.encoder import load_encoder
from tlbench.models.multitask import MultiTaskModel
from tlbench.plan.stage import TaskSubset
from tlbench.plan.train_stage import TrainStage
from tlbench.training.features import batches_of

ROWS = 200

Array = NDArray[np.float64]


def task_embedding(
    stage: TrainStage, subset: TaskSubset, weights: Path, rows: int = ROWS
) -> dict[str, Array]:
    """Return the embedding of a task, by the name of each of the encoder's parameters, flat.

    Args:
        stage: that has trained the task alone.
        weights: the folder of its best weights.
        rows: how many train rows, each with a backward of its own.
    """
    files = stage.config.encoder
    model = MultiTaskModel(load_encoder(files, weights), [subset.task], "per_task", files)
    model.load_head(subset.task, weights / "heads.safetensors")
    model.eval()
    sums = {name: torch.zeros_like(one) for name, one in model.encoder.named_parameters()}
    count = 0
    for batch in batches_of(stage, subset, rows, tokens=1):  # so a batch is a row
        model.zero_grad()
        model.losses(batch)[0].sum().backward()  # type: ignore[no-untyped-call]
        count += 1
        for name, parameter in model.encoder.named_parameters():
            if parameter.grad is not None:
                sums[name] += parameter.grad**2
    return {name: (one / count).double().numpy().ravel() for name, one in sums.items()}
